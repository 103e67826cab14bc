"""A picture that can't be trusted is told with its reason; a nudge is followed; stock and people are no problem."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.config.sections import ViewSection
from edge_agent.seeing.view_guard import CheckedView, ViewGuard
from kardus.inference.geometry import project
from kardus.inference.preprocess import Pixels
from simulator.pictures import DrawnPictures
from simulator.scene import Rack
from simulator.script import Change, ChangeKind, Script
from simulator.shelf import Shelf
from tests.edge_agent.racks import LOCATIONS, blurred, coded_frame, frame, noisy, nudged, shares, shelf, still

RULES = ViewSection()
WIDTH, HEIGHT = 1920, 1080


def _guard(reference: Pixels | None = None, *, live: bool = False) -> ViewGuard:
    return ViewGuard(RULES, shares(), still() if reference is None else reference, live=live)


def _check(pixels: Pixels) -> CheckedView:
    return _guard().check(frame(pixels))


def _covered(share: float) -> Pixels:
    pixels = still(1).copy()
    pixels[:, : int(share * WIDTH)] = (70, 80, 60)
    return noisy(pixels)


BAD: dict[str, tuple[Callable[[], Pixels], str]] = {
    "dark": (lambda: still(1) // 20, "dark"),
    "black": (lambda: noisy(np.zeros_like(still()), sigma=1), "dark"),
    "white": (lambda: np.full_like(still(), 255), "over-exposed"),
    "glaring": (lambda: (still(1).astype(int) * 4).clip(0, 255).astype(np.uint8), "over-exposed"),
    "out of focus": (lambda: noisy(blurred(still(1), 4)), "blurred"),
    "steamed up": (lambda: noisy(blurred(still(1), 12)), "blurred"),
    "out of focus in half the light": (lambda: noisy((blurred(still(1), 4) * 0.5).astype(np.uint8)), "blurred"),
    "covered by a bag": (lambda: _covered(1.0), "covered"),
    "covered for the most part": (lambda: _covered(0.8), "covered"),
    "turned to another rack": (lambda: shelf(seed=99).frame(0)[::-1, ::-1], "covered"),
    "turned by 60 pixels": (lambda: nudged(still(1), 60, 0), "moved"),
    "turned by 250 pixels": (lambda: nudged(still(1), -250, 0), "moved"),
    "turned by 400 pixels and up": (lambda: nudged(still(1), 400, 90), "moved"),
    "turned by 2 degrees": (lambda: nudged(still(1), 0, 0, degrees=3), "moved"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_picture_that_cannot_be_trusted_is_told_with_its_reason(case: str) -> None:
    make, problem = BAD[case]
    view = _check(make())
    assert view.problem == problem
    assert ": " in view.reason, "a remedy"


GOOD: dict[str, Callable[[], Pixels]] = {
    "noise": lambda: still(7),
    "half the light": lambda: noisy((still(1) * 0.5).astype(np.uint8)),
    "a third of the light": lambda: noisy((still(1) * 0.33).astype(np.uint8)),
    "more light": lambda: (still(1) * 1.3).clip(0, 255).astype(np.uint8),
    "warmer light": lambda: (still(1) * [1.15, 1.0, 0.8]).clip(0, 255).astype(np.uint8),
    "a lens that isn't quite sharp": lambda: noisy(blurred(still(1), 1)),
    "all stock gone": lambda: shelf(*(Change(0, ChangeKind.REMOVE, location) for location in LOCATIONS)).frame(0),
    "somebody": lambda: shelf(Change(0, ChangeKind.WALK_PAST, amount=4.0)).frame(2),
    "a third covered": lambda: _covered(0.3),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_happens_in_a_warehouse_is_no_problem_of_the_view(case: str) -> None:
    view = _check(GOOD[case]())
    assert (view.problem, view.reason) == (None, "")
    assert view.motion == pytest.approx(np.eye(3), abs=0.02), "nothing moved"


@pytest.mark.parametrize(
    ("right", "down", "degrees", "zoom"),
    [(10, 0, 0, 1), (-8, 5, 0, 1), (25, -15, 0, 1), (0, 0, 0.4, 1), (5, 5, -0.3, 1), (0, 0, 0, 1.01), (2, 1, 0, 1)],
)
def test_the_slots_follow_a_nudge(right: float, down: float, degrees: float, zoom: float) -> None:
    view = _check(noisy(nudged(still(1), right, down, degrees, zoom)))
    assert view.problem is None
    corners = np.concatenate(shares()) * [WIDTH, HEIGHT]
    turn = np.deg2rad(-degrees)
    matrix = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    centre = np.array([WIDTH / 2, HEIGHT / 2])
    expected = (corners - centre) @ matrix.T + centre + [right, down]
    assert np.abs(project(view.motion, corners) - expected).max() < 2


def test_slots_do_not_tremble_with_the_noise() -> None:
    guard = _guard()
    motions = {guard.check(frame(still(number))).motion.tobytes() for number in range(1, 8)}
    assert len(motions) == 1


def test_a_nudge_and_back_again() -> None:
    guard = _guard()
    for right in (0, 20, 30, 12, 0):
        view = guard.check(frame(noisy(nudged(still(1), right, 0))))
        assert view.problem is None
        assert view.motion[0, 2] == pytest.approx(right, abs=2)


def test_without_a_commissioning_picture_the_first_good_one_is_the_reference() -> None:
    guard = ViewGuard(RULES, shares(), None, live=False)
    assert guard.check(frame(still() // 30)).problem == "dark"
    assert guard.check(frame(still())).problem is None
    assert guard.check(frame(nudged(still(1), 70, 0))).problem == "moved"


def test_a_reference_of_another_resolution_is_the_same_scene() -> None:
    view = _guard(still()[::2, ::2]).check(frame(still(3)))
    assert view.problem is None
    assert np.abs(view.motion - np.eye(3)).max() < 3


@pytest.mark.parametrize("sigma", [0, 1, 1.5, 2, 3, 6])
def test_a_picture_is_as_sharp_by_half_as_it_is_whole(sigma: float) -> None:
    pixels = noisy(blurred(still(1), sigma)) if sigma else still(1)
    for reference in (None, still()):
        by_half, whole = (ViewGuard(RULES, shares(), reference, live=False) for _ in range(2))
        for guard in (by_half, whole):
            guard.check(frame(still(2)))
        assert by_half.check(coded_frame(pixels)).problem == whole.check(frame(pixels)).problem
        assert (by_half.check(coded_frame(pixels)).problem == "blurred") == (sigma > 1.5)


def test_by_half_the_camera_s_motion_is_what_it_is_by_the_whole() -> None:
    for right, down in ((3, 0), (-7, 5), (20, 12)):
        pixels = nudged(still(1), right, down)
        found = [_guard().check(make(pixels)) for make in (frame, coded_frame)]
        assert [view.problem for view in found] == [None, None]
        assert np.abs(found[0].motion - found[1].motion).max() < 0.5


def test_a_live_camera_whose_picture_never_changes_is_frozen_until_it_does() -> None:
    guard = _guard(live=True)
    found = [guard.check(frame(still(1), at_s=second)).problem for second in (0, 10, 29, 30, 50)]
    assert found == [None, None, None, "frozen", "frozen"]
    assert guard.check(frame(still(2), at_s=51)).problem is None
    assert guard.check(frame(still(2), at_s=80)).problem is None


@cache
def _half_unknown() -> Pixels:
    return shelf(*(Change(0, ChangeKind.UNKNOWN, location) for location in LOCATIONS[::2])).frame(1)


@given(right=st.integers(80, 500), down=st.integers(-200, 200), gain=st.floats(0.7, 1.2))
@settings(deadline=None, max_examples=8)
def test_how_far_it_was_turned_away_is_told_whatever_the_stock_and_the_light(
    right: int, down: int, gain: float
) -> None:
    lit = (nudged(_half_unknown(), right, down) * gain).clip(0, 255).astype(np.uint8)
    view = _check(lit)
    assert view.problem == "moved"
    told = int(view.reason.split()[1])
    assert told == pytest.approx(np.hypot(right, down), abs=8)


@pytest.mark.parametrize("seed", range(4))
def test_a_cloth_before_a_rack_that_repeats_itself_is_no_turn(seed: int) -> None:
    rack = Rack(levels=3, positions=4)
    names = [stock.name for stock in DrawnPictures().stock()]
    stock: dict[str, str | None] = {
        slot.location: names[(seed * 5 + number) % len(names)] for number, slot in enumerate(rack.slots())
    }
    seen = Shelf(rack, DrawnPictures(), Script(seed, 3, stock, {}, (Change(1, ChangeKind.COVERED, lasts=2),)))
    slots = [slot.corners / [rack.width_px, rack.height_px] for slot in rack.slots()]
    guard = ViewGuard(RULES, slots, seen.frame(0), live=False)
    assert guard.check(frame(seen.frame(1))).problem == "covered"


def test_noise_alone_is_life() -> None:
    guard = _guard(live=True)
    assert {guard.check(frame(still(n), at_s=20.0 * n)).problem for n in range(1, 7)} == {None}


@pytest.mark.parametrize("live", [True, False])
def test_a_live_camera_s_last_picture_once_more_is_known_as_such(*, live: bool) -> None:
    guard = _guard(live=live)
    repeated = [guard.check(frame(still(number), at_s=1.0 * number)).repeated for number in (1, 1, 2, 1, 1)]
    assert repeated == [False, live, False, False, live]


def test_a_lost_focus_is_told_from_a_cover_though_the_stock_has_changed() -> None:
    other = shelf(*(Change(0, ChangeKind.UNKNOWN, location) for location in LOCATIONS))
    guard = _guard()
    assert guard.check(frame(other.frame(1))).problem is None
    assert guard.check(frame(noisy(blurred(other.frame(2), 14)))).problem == "blurred"


def test_a_picture_file_may_stay_the_same_for_ever() -> None:
    guard = _guard(live=False)
    assert {guard.check(frame(still(1), at_s=second)).problem for second in (0, 100, 10_000)} == {None}


def test_a_camera_that_changes_its_resolution_is_judged_all_the_same() -> None:
    guard = ViewGuard(RULES, shares(), None, live=False)
    assert guard.check(frame(still())).problem is None
    assert guard.check(frame(still(1)[::2, ::2])).problem is None, "the same once it is reduced"
    told = guard.check(frame(still(1)[:720, :1280]))
    assert (told.problem, "1280 x 720 pixels, and had 1920 x 1080" in told.reason) == ("moved", True)
    assert guard.check(frame(still(1)[::3, ::3])).problem is not None, "its marks are of another size"
    assert guard.check(frame(still(2))).problem is None


def test_a_wall_without_marks_is_believed() -> None:
    wall = noisy(np.full_like(still(), 120), sigma=0.5)
    guard = ViewGuard(RULES, shares(), None, live=False)
    assert guard.check(frame(wall)).problem is None
    assert guard.check(frame(wall)).problem is None


def test_a_mesh_is_sharp_and_no_noise() -> None:
    blocks = np.random.default_rng(3).integers(60, 180, (HEIGHT // 40, WIDTH // 40)).repeat(40, 0).repeat(40, 1)
    rows, columns = np.indices((HEIGHT, WIDTH)) // 4
    mesh = np.repeat((blocks + 30 * ((rows + columns) % 2 * 2 - 1))[..., None], 3, axis=2).astype(np.uint8)
    guard = _guard(mesh)
    assert [guard.check(frame(noisy(mesh, seed))).problem for seed in range(3)] == [None] * 3
    assert guard.check(frame(noisy(blurred(mesh, 4)))).problem == "blurred"


def test_small_pictures_are_judged_too() -> None:
    small = still()[::6, ::6]
    guard = ViewGuard(RULES, shares(), None, live=False)
    view = guard.check(frame(small))
    assert (view.problem, view.factor, view.small.shape) == (None, 1, small.shape)


def test_a_small_rack_that_is_emptied_is_not_covered() -> None:
    """Most of its marks are of cartons, and leave with them; the few of the rack itself are where they were."""
    rack = Rack(levels=1, positions=3)
    places = [slot.location for slot in rack.slots()]
    names = [sample.name for sample in DrawnPictures().stock()]
    stock: dict[str, str | None] = {place: names[3 * n] for n, place in enumerate(places)}
    changes = tuple(Change(1, ChangeKind.REMOVE, place) for place in places)
    views = Shelf(rack, DrawnPictures(), Script(0, 10, stock, {}, changes))
    corners = [slot.corners / [rack.width_px, rack.height_px] for slot in rack.slots()]
    guard = ViewGuard(RULES, corners, views.frame(0), live=False)
    assert guard.check(frame(views.frame(5))).problem is None
    covered = np.full_like(views.frame(5), 70)
    assert guard.check(frame(noisy(covered))).problem == "covered"
