"""Slots follow a camera that was nudged, and are cut out of its picture."""

import numpy as np
import pytest
from PIL import Image

from edge_agent.config.cameras import CameraSection
from edge_agent.config.sections import GateSection, ViewSection
from edge_agent.records import SlotObservations
from edge_agent.seeing.camera_view import CameraView, SlotCutting, corners_in_picture
from edge_agent.seeing.slots import Slot, corners_of
from kardus.inference.geometry import Float64Array, rectangle
from kardus.inference.preprocess import Pixels, rectify
from simulator.script import Change, ChangeKind
from tests.edge_agent.racks import LOCATIONS, RACK, frame, noisy, shelf, still


def _picture() -> Pixels:
    picture = np.zeros((60, 100, 3), dtype=np.uint8)
    picture[:, 50:] = 200
    return picture


def test_the_slots_follow_a_camera_that_was_nudged() -> None:
    slots = [Slot("a", rectangle(10, 10, 40, 40), in_shares=False), Slot("b", rectangle(0.5, 0, 1, 1), in_shares=True)]
    motion = np.array([[1.0, 0, 5], [0, 1.0, -3], [0, 0, 1]])
    now = corners_in_picture(corners_of(slots, 100, 60), (100, 60), motion)
    assert now[0].tolist() == rectangle(15, 7, 45, 37).tolist()
    assert now[1].tolist() == rectangle(55, 0, 100, 57).tolist(), "kept inside the picture"


CORNERS = np.stack([slot.corners for slot in RACK.slots()])


def _view(corners: Float64Array = CORNERS, **keys: object) -> CameraView:
    places = [{"id": name, "corners": own.tolist()} for name, own in zip(LOCATIONS, corners, strict=True)]
    section = {"name": "rack", "source": {"type": "file", "path": "x.jpg"}, "locations": places, **keys}
    return CameraView(CameraSection.model_validate(section), ViewSection(), GateSection(), live=True)


def _last_seen(pictures: list[Pixels], view: CameraView | None = None) -> SlotObservations:
    """What the last picture shows of a rack whose colours are known from the first."""
    view = view or _view()
    for number, picture in enumerate(pictures):
        shown = frame(picture, float(number), number)
        checked = view.check(shown)
        assert checked.problem is None
        observed = view.see(shown, checked, [True] * len(LOCATIONS), 32)
        view.prove_colours()
    assert observed.chosen
    return observed


@pytest.mark.parametrize("pixels", [-11.15, 24.0])
def test_a_camera_that_was_nudged_sees_the_same_light_and_another_one_rightly(pixels: float) -> None:
    """Cells were held against those in the same place of the picture: every crop was corrected for a cast of none."""
    rack = shelf(Change(3, ChangeKind.BUMP, amount=pixels))
    nudged = [rack.frame(number) for number in range(8)]
    assert np.abs(nudged[3].astype(int) - nudged[2]).mean() > 3
    assert _last_seen(nudged).correction is None
    redder = [(picture * [1.15, 1.0, 1.0]).clip(0, 255).astype(np.uint8) for picture in nudged[4:]]
    correction = _last_seen(nudged[:4] + redder).correction
    assert correction is not None
    levels = (correction.gains / correction.gains[:, 1:2]) ** (1 / 2.2)
    assert np.abs(np.median(levels, axis=0) - [1.15, 1.0, 1.0]).max() < 0.03


@pytest.mark.parametrize("is_masked", [False, True])
@pytest.mark.parametrize(("right", "down"), [(-12, 7), (-20, 10), (20, 10)])
def test_what_a_nudged_camera_shows_in_part_tells_no_light(right: int, down: int, *, is_masked: bool) -> None:
    """A rack that fills the picture: where the reference was at its edge, or beside a mask, there is something else."""
    zoom, left, top = 1.06, 0.03 * RACK.width_px, 0.03 * RACK.height_px
    near = Image.fromarray(still()).resize((int(zoom * RACK.width_px), int(zoom * RACK.height_px)))

    def picture(number: int) -> Pixels:
        x, y = (left - right, top - down) if number >= 2 else (left, top)
        shown = near.transform((RACK.width_px, RACK.height_px), Image.Transform.AFFINE, (1, 0, x, 0, 1, y))
        return noisy(np.asarray(shown), number)

    corners = zoom * CORNERS - [left, top]
    strip = rectangle(0, 0, RACK.width_px, corners[..., 1].min() - 12).tolist()
    view = _view(corners, mask=[strip] if is_masked else [])
    seen = _last_seen([picture(number) for number in range(6)], view)
    off = 1.0 if seen.correction is None else np.exp(np.abs(np.log(seen.correction.gains)).max() / 2.2)
    assert off < 1.05


@pytest.mark.parametrize("seed", [3, 1600])
def test_a_camera_that_changes_its_resolution_is_told_to_go_back_and_sees_the_same_colours(seed: int) -> None:
    rack = shelf(Change(3, ChangeKind.LIGHT, amount=1.21), seed=seed)
    small, double = (
        np.asarray(Image.fromarray(rack.frame(4)).resize(size)) for size in ((1280, 720), (2 * 1920, 2 * 1080))
    )
    view = _view()
    _last_seen([rack.frame(number) for number in range(3)], view)
    told = view.check(frame(small, 3.0, 3))
    assert told.problem == "moved"
    assert told.reason == (
        "its pictures have 1280 x 720 pixels, and had 1920 x 1080: set its resolution back, or take its commissioning "
        "picture again"
    )
    assert _last_seen([double], view).correction is None, "it is reduced to the same"
    night = np.repeat(rack.frame(5).mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    assert view.check(frame(night, 9.0, 9)).problem == "no colour", "one picture of another size lets nothing go"


def test_a_nudged_camera_that_is_covered_is_no_camera_at_night() -> None:
    """What the motion of the last good picture would put out of sight isn't black."""
    rack, view = shelf(Change(3, ChangeKind.BUMP, amount=-22.0)), _view()
    _last_seen([rack.frame(number) for number in range(8)], view)
    for number in (8, 9):
        cloth = noisy(np.full_like(still(), 90), number, sigma=1.0)
        assert view.check(frame(cloth, float(number), number)).problem == "covered"


def test_each_location_gets_its_own_crop_in_their_order() -> None:
    crops = SlotCutting(
        np.stack([rectangle(0, 0, 48, 60), rectangle(52, 0, 100, 60)]), Image.fromarray(_picture()), 24
    ).result()
    assert crops.shape == (2, 24, 24, 3)
    assert crops.dtype == np.uint8
    assert [int(crop.mean()) for crop in crops] == [0, 200]


def test_many_are_cut_as_each_by_itself_and_in_their_order() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (60, 100, 3), dtype=np.uint8)
    corners = np.stack([rectangle(x, y, x + 30, y + 20) for x in range(0, 70, 7) for y in range(0, 40, 9)])
    alone = np.stack([rectify(picture, quadrilateral, 24) for quadrilateral in corners])
    again = SlotCutting(corners, Image.fromarray(picture), 24).result()
    assert np.array_equal(again, alone)
    other = 255 - picture  # from the same places of another picture
    assert np.array_equal(SlotCutting(corners, Image.fromarray(other), 24).result()[3], rectify(other, corners[3], 24))


def test_no_location_gives_no_crop() -> None:
    assert SlotCutting(np.empty((0, 4, 2)), Image.fromarray(_picture()), 24).result().shape == (0, 24, 24, 3)
