"""What a camera draws into its own picture is masked: it moves nothing, stands before nothing, and marks no view."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from edge_agent.archive.evidence import Evidence
from edge_agent.config.cameras import CameraSection
from edge_agent.config.sections import EvidenceSection, GateSection, ViewSection
from edge_agent.records import Activity
from edge_agent.seeing.camera_view import CameraView
from edge_agent.seeing.mask import Mask
from edge_agent.seeing.view_guard import ViewGuard
from kardus.inference.preprocess import Pixels
from kardus.support.chores import Chores
from tests.edge_agent.racks import LOCATIONS, RACK, frame, noisy, shares, still, write_still

WIDTH, HEIGHT = RACK.width_px, RACK.height_px
LEFT, TOP = RACK.slots()[10].corners[0].astype(int).tolist()
CLOCK = (LEFT - 40, TOP - 30, LEFT + 260, TOP + 60)
"""Over the upper left corner of the location at the top left."""
MASK = [
    [CLOCK[0] - 8, CLOCK[1] - 8],
    [CLOCK[2] + 8, CLOCK[1] - 8],
    [CLOCK[2] + 8, CLOCK[3] + 8],
    [CLOCK[0] - 8, CLOCK[3] + 8],
]


def _with_clock(pixels: Pixels, second: int) -> Pixels:
    """A clock and a logo whose strokes lie elsewhere each second."""
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    draw.rectangle(CLOCK, fill=(0, 0, 0))
    for stroke in range(12):
        x = CLOCK[0] + (37 * stroke + 53 * second) % 280
        draw.rectangle((x, CLOCK[1] + 10, x + 14, CLOCK[3] - 10), fill="white")
    return np.asarray(image)


def _camera(**keys: object) -> CameraSection:
    return CameraSection.model_validate(
        {
            "name": "rack",
            "source": {"type": "file", "path": "x.jpg"},
            "locations": [{"id": slot.location, "corners": slot.corners.tolist()} for slot in RACK.slots()],
            **keys,
        }
    )


def _activities(camera: CameraSection) -> Iterator[list[Activity]]:
    """What a picture without the clock, and then ten with it, come to."""
    view = CameraView(camera, ViewSection(), GateSection(), live=True)
    for second in range(11):
        pixels = noisy(still(), second)
        shown = frame(_with_clock(pixels, second) if second else pixels, float(second), second)
        yield list(view.see(shown, view.check(shown), [False] * len(LOCATIONS), 32).activities)


def _obstructed(camera: CameraSection) -> set[str]:
    *_, last = _activities(camera)
    return {LOCATIONS[index] for index, activity in enumerate(last) if activity.obstructed}


@pytest.mark.parametrize(("units", "commissioned"), [("pixels", False), ("share", True)])
def test_a_clock_that_is_switched_on_later_is_no_obstruction_where_it_is_masked(
    tmp_path: Path, units: str, *, commissioned: bool
) -> None:
    write_still(tmp_path / "reference.png")
    keys = {"reference": tmp_path / "reference.png"} if commissioned else {}
    assert LOCATIONS[10] in _obstructed(_camera(**keys)), "the fault: it never settles"
    scale = np.array([1, 1] if units == "pixels" else [WIDTH, HEIGHT])
    places = [{"id": slot.location, "corners": (slot.corners / scale).tolist()} for slot in RACK.slots()]
    mask = [(np.array(MASK) / scale).tolist()]
    assert _obstructed(_camera(units=units, locations=places, mask=mask, **keys)) == set()


def test_what_changes_beside_the_mask_in_the_same_location_is_seen() -> None:
    view = CameraView(_camera(mask=[MASK]), ViewSection(), GateSection(), live=True)

    def look(second: int, pixels: Pixels) -> list[Activity]:
        shown = frame(_with_clock(noisy(pixels, second), second), float(second), second)
        return list(view.see(shown, view.check(shown), [False] * len(LOCATIONS), 32).activities)

    look(1, still())
    look(2, still())
    changed = still().copy()
    inner = RACK.slots()[10].corners.mean(axis=0).astype(int)
    changed[inner[1] - 60 : inner[1] + 60, inner[0] - 60 : inner[0] + 60] = (200, 30, 30)
    look(3, changed)
    activity = look(4, changed)[10]
    assert (activity.classify, activity.changed) == (True, True)


def test_a_frozen_camera_whose_clock_goes_on_is_frozen_where_the_clock_is_masked() -> None:
    for mask, problem in (((), None), ([MASK], "frozen")):
        view = CameraView(_camera(mask=mask), ViewSection(frozen_after_s=5), GateSection(), live=True)
        for second in range(8):
            found = view.check(frame(_with_clock(still(), second), float(second), second))
        assert found.problem == problem


def test_no_mark_of_the_view_lies_in_the_mask() -> None:
    """Nothing else in this view could mark it: without the logo, it can't be told at all."""
    plain = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    elsewhere = noisy(plain, 5)
    for areas, problem in (([], "covered"), ([np.array(MASK) / [WIDTH, HEIGHT]], None)):
        guard = ViewGuard(ViewSection(), shares(), _with_clock(plain, 1), live=False, mask=Mask(areas))
        assert guard.check(frame(elsewhere)).problem == problem


def test_an_area_outside_the_picture_is_named() -> None:
    view = CameraView(_camera(mask=[[[0, 0], [5000, 0], [0, 100]]]), ViewSection(), GateSection(), live=True)
    shown = frame(still())
    assert (
        view.outside(shown.picture.size) == "mask: a corner of area 1 lies outside the 1920 x 1080 picture: correct it"
    )


def test_no_picture_that_is_kept_or_sent_shows_what_is_masked(chores: Chores, tmp_path: Path) -> None:
    view = CameraView(_camera(mask=[MASK]), ViewSection(), GateSection(), live=True)
    taken = frame(_with_clock(still(), 3), 1.0, 3)
    view.see(taken, view.check(taken), [False] * len(LOCATIONS), 32)
    shown = view.location_view([10])
    assert shown is not None
    kept = np.asarray(shown.picture)
    inside = np.s_[CLOCK[1] : CLOCK[3], CLOCK[0] : CLOCK[2]]
    assert np.asarray(taken.picture)[inside].any(), "what the agent itself looks at stays as it is"
    assert not kept[inside].any()
    outside = ~Mask([np.array(MASK) / [WIDTH, HEIGHT]]).over(WIDTH, HEIGHT)
    assert np.array_equal(kept[outside], np.asarray(taken.picture)[outside])
    assert view.last_shown is shown.picture, "a picture is blacked out once"

    evidence = Evidence(tmp_path, EvidenceSection(), chores)
    crop = evidence.keep("e", shown.picture, shown.facings, None)
    bare = evidence.keep("f", taken.picture, shown.facings, None)
    assert [_has_black_corner(jpeg) for jpeg in (crop, bare)] == [True, False]


def _has_black_corner(jpeg: bytes) -> bool:
    """The upper left corner of the crop, where the clock stands."""
    return bool(np.asarray(Image.open(io.BytesIO(jpeg)))[:40, :200].max() < 40)


def test_a_picture_without_masks_is_not_copied() -> None:
    view = CameraView(_camera(), ViewSection(), GateSection(), live=True)
    taken = frame(still(), 1.0, 1)
    view.see(taken, view.check(taken), [False] * len(LOCATIONS), 32)
    assert view.last_shown is taken.picture
