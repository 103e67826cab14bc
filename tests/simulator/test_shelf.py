"""A played shelf shows the script's contents, and light, people and nudges change the picture alone."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from simulator.pictures import DrawnPictures
from simulator.scene import Rack
from simulator.script import Change, ChangeKind, Script
from simulator.shelf import NOISE, Shelf
from tests.scripts.shelf_judge import hidden

RACK = Rack(levels=2, positions=3)
PLACES = [slot.location for slot in RACK.slots()]
BOXES = {slot.location: (slot.corners.min(axis=0), slot.corners.max(axis=0)) for slot in RACK.slots()}
STOCK: dict[str, str | None] = dict(
    zip(PLACES, ["Tea-Lemon", "Milk-Low-Fat", "Tea-Peach", None, "Noodles-Beef", None], strict=True)
)
CHANGES = (
    Change(1, ChangeKind.WRONG_VARIANT, PLACES[0], name="Tea-Original"),
    Change(2, ChangeKind.REMOVE, PLACES[1]),
    Change(3, ChangeKind.UNKNOWN, PLACES[3]),
    Change(4, ChangeKind.SWAP, PLACES[2], other=PLACES[5]),
    Change(5, ChangeKind.LIGHT, amount=0.7),
    Change(6, ChangeKind.BUMP, amount=6.0),
    Change(7, ChangeKind.WALK_PAST, amount=4.0),
)
CHANGED = {1: {PLACES[0]}, 2: {PLACES[1]}, 3: {PLACES[3]}, 4: {PLACES[2], PLACES[5]}}


def _shelf(seed: int = 3) -> Shelf:
    return Shelf(RACK, DrawnPictures(), Script(seed, 14, STOCK, STOCK, CHANGES))


@pytest.fixture(scope="module")
def frames() -> list[NDArray[np.uint8]]:
    """Every frame of the shelf."""
    shelf = _shelf()
    return [shelf.frame(number) for number in range(14)]


def _difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How much each block of 10 x 10 pixels differs, the noise averaged out."""
    means = [frame.reshape(108, 10, 192, 10, 3).mean(axis=(1, 3)) for frame in (one, other)]
    difference: NDArray[np.float64] = np.abs(means[0] - means[1]).max(axis=2)
    return difference


def _inside(difference: NDArray[np.float64], location: str, margin: int = 0) -> NDArray[np.float64]:
    (left, top), (right, bottom) = BOXES[location]
    rows = slice(int(top / 10) - margin, int(bottom / 10) + 1 + margin)
    return difference[rows, int(left / 10) - margin : int(right / 10) + 1 + margin]


def test_frames_are_full_hd_rgb(frames: list[NDArray[np.uint8]]) -> None:
    assert {(frame.shape, frame.dtype.name) for frame in frames} == {((1080, 1920, 3), "uint8")}


@pytest.mark.parametrize("frame", CHANGED)
def test_a_change_changes_its_location_and_nothing_else(frames: list[NDArray[np.uint8]], frame: int) -> None:
    difference = _difference(frames[frame - 1], frames[frame])
    for location in CHANGED[frame]:
        assert (_inside(difference, location) > 15).mean() > 0.02
        _inside(difference, location, margin=2)[:] = 0
    assert difference.max() < 5


def test_a_shelf_at_rest_differs_by_its_noise_alone() -> None:
    shelf = Shelf(RACK, DrawnPictures(), Script(3, 2, STOCK, STOCK, ()))
    first, second = (shelf.frame(number).astype(int) for number in (0, 1))
    noise = (first - second).std()
    assert 0.6 * NOISE < noise < 1.6 * NOISE
    assert _difference(first.astype(np.uint8), second.astype(np.uint8)).max() < 5


def test_less_light_darkens_the_whole_picture(frames: list[NDArray[np.uint8]]) -> None:
    assert frames[5].mean() == pytest.approx(0.7 * frames[4].mean(), rel=0.03)


def test_a_nudge_moves_the_picture(frames: list[NDArray[np.uint8]]) -> None:
    before, after = (frame[20:-20].astype(int).mean(axis=2) for frame in (frames[5], frames[6]))
    still = np.abs(after[:, :-6] - before[:, :-6]).mean()
    moved = np.abs(after[:-3, :-6][3:] - before[:, 6:][:-6]).mean()
    assert moved < 0.8 * still


def test_someone_walks_across_and_is_gone(frames: list[NDArray[np.uint8]]) -> None:
    covered = [_difference(frames[6], frame) > 40 for frame in frames[8:11]]
    middles = [float(np.flatnonzero(part.any(axis=0)).mean()) for part in covered]
    assert middles == sorted(middles)
    assert middles[2] - middles[0] > 80
    assert _difference(frames[6], frames[13]).max() < 5


def test_light_nudges_and_people_leave_the_contents_alone() -> None:
    script = _shelf().script
    assert script.contents(13) == script.contents(4)
    assert script.truth(13, _shelf().skus()) == script.truth(4, _shelf().skus())


def test_the_same_seed_gives_the_same_pixels_and_another_does_not(frames: list[NDArray[np.uint8]]) -> None:
    again = _shelf()
    assert all(np.array_equal(again.frame(number), frames[number]) for number in (8, 0))
    assert _difference(_shelf(seed=4).frame(0), frames[0]).max() > 20


def test_the_skus_of_all_classes_are_known() -> None:
    skus = _shelf().skus()
    assert (len(skus), skus["Milk-Full-Cream-Side"]) == (14, "Milk-Full-Cream")


Frame = NDArray[np.int64]
TROUBLES: dict[ChangeKind, Callable[[Frame, Frame], bool]] = {
    ChangeKind.DARK: lambda good, bad: bool(bad.mean() < 0.1 * good.mean()),
    ChangeKind.OVER_EXPOSED: lambda good, bad: bool((bad >= 250).mean() > 0.5 > (good >= 250).mean()),
    ChangeKind.BLURRED: lambda good, bad: bool(_detail(bad) < 0.5 * _detail(good)),
    ChangeKind.COVERED: lambda good, bad: bool(bad[:, :1500].std() < 0.3 * good[:, :1500].std()),
    ChangeKind.MOVED: lambda good, bad: bool(
        np.abs(bad[:, :-100] - good[:, 100:]).mean() < 0.3 * np.abs(bad - good).mean()
    ),
}


def _detail(frame: Frame) -> float:
    """How much neighbouring blocks of 10 x 10 pixels differ, the noise averaged out."""
    return float(np.abs(np.diff(frame.reshape(108, 10, 192, 10, 3).mean(axis=(1, 3)), axis=1)).mean())


@pytest.mark.parametrize("kind", TROUBLES)
def test_a_trouble_spoils_the_picture_while_it_lasts_and_no_longer(kind: ChangeKind) -> None:
    shelf = Shelf(RACK, DrawnPictures(), Script(3, 5, STOCK, STOCK, (Change(1, kind, amount=100.0, lasts=2),)))
    good, bad, after = (shelf.frame(number).astype(int) for number in (0, 2, 3))
    assert TROUBLES[kind](good, bad)
    assert _difference(good.astype(np.uint8), after.astype(np.uint8)).max() < 5


def test_a_frozen_camera_gives_the_very_same_values_whatever_happens_before_it() -> None:
    changes = (Change(2, ChangeKind.FROZEN, lasts=3), Change(3, ChangeKind.REMOVE, PLACES[0]))
    shelf = Shelf(RACK, DrawnPictures(), Script(3, 6, STOCK, STOCK, changes))
    frozen = [np.array_equal(shelf.frame(1), shelf.frame(number)) for number in range(1, 6)]
    assert frozen == [True, True, True, True, False]
    assert (_inside(_difference(shelf.frame(1), shelf.frame(5)), PLACES[0]) > 15).mean() > 0.02


def test_somebody_hides_the_locations_behind_and_no_others() -> None:
    shelf = _shelf()
    assert [hidden(shelf, number) for number in (6, 12)] == [set(), set()]
    bare = _shelf().frame(6)
    for number in (8, 9, 10):
        difference = _difference(bare, shelf.frame(number))
        touched = {place for place in PLACES if (_inside(difference, place) > 40).any()}
        assert touched
        assert touched <= hidden(shelf, number)
        assert hidden(shelf, number) != set(PLACES)
