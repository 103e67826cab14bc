"""A change of stock opens the gate; light, noise and a nudge don't, and what stands in front is not stock."""

from collections.abc import Callable

import numpy as np
import pytest

from edge_agent.config.sections import GateSection, ViewSection
from edge_agent.deciding.verdict import VOTE_AGAIN_S
from edge_agent.records import Activity
from edge_agent.seeing.camera_view import corners_in_picture
from edge_agent.seeing.gate import ADAPT_AFTER_S, MAX_FRAME_GAP_S, SETTLES_S, ChangeGate, own_places
from edge_agent.seeing.mask import Mask
from edge_agent.seeing.slots import Slot
from edge_agent.seeing.view_guard import ViewGuard
from kardus.inference.geometry import rectangle
from kardus.inference.preprocess import Pixels
from simulator.script import Change, ChangeKind
from tests.edge_agent.racks import LOCATIONS, RACK, STOCK, blurred, frame, noisy, nudged, shares, shelf, still
from tests.scripts.light import writing

RULES = GateSection(refresh_s=300)
SLOTS = [Slot(slot.location, slot.corners, in_shares=False) for slot in RACK.slots()]
CORNERS = np.stack([slot.corners for slot in SLOTS])
TEA, OTHER_TEA = "Tea-Lemon", "Tea-Peach"


class Eyes:
    """A camera's view guard and gate, one after the other, a picture a second."""

    def __init__(self, *, commissioned: bool = True) -> None:
        """Begin to look."""
        self._guard = ViewGuard(ViewSection(), shares(), still(), live=False)
        self.gate = ChangeGate(RULES, CORNERS)
        self._now = 0.0
        if commissioned:
            view = self._guard.check(frame(still()))
            self.gate.commission(view.small, CORNERS / view.factor)

    def see(self, pixels: Pixels, wanted: str = "", after_s: float = 1.0) -> dict[str, Activity]:
        """What is to be done about each location."""
        self._now += after_s
        view = self._guard.check(frame(pixels))
        assert view.problem is None
        corners = corners_in_picture(CORNERS, (pixels.shape[1], pixels.shape[0]), view.motion) / view.factor
        asked = [slot.location == wanted for slot in SLOTS]
        return dict(zip(LOCATIONS, self.gate.decide(view.small, corners, self._now, asked), strict=True))

    def settled(self) -> "Eyes":
        """With every location classified."""
        self.see(still(0))
        assert not classified(self.see(still(1)))
        return self


def classified(decisions: dict[str, Activity]) -> list[str]:
    """Which locations are to be classified."""
    return [location for location, decision in decisions.items() if decision.classify]


def obstructed(decisions: dict[str, Activity]) -> set[str]:
    """Which locations something stands before."""
    return {location for location, decision in decisions.items() if decision.obstructed}


def test_at_the_start_everything_is_classified() -> None:
    decisions = Eyes().see(still())
    assert classified(decisions) == LOCATIONS
    assert all(decision.changed for decision in decisions.values())


def _lit(columns: np.ndarray) -> Pixels:
    """The rack in a light that differs from column to column (1920,)."""
    return noisy((still(1) * columns[None, :, None]).clip(0, 255).astype(np.uint8))


QUIET: dict[str, Callable[[], Pixels]] = {
    "noise": lambda: still(7),
    "more noise": lambda: noisy(still(1), sigma=6),
    "half the light": lambda: noisy((still(1) * 0.5).astype(np.uint8)),
    "more light": lambda: (still(1) * 1.3).clip(0, 255).astype(np.uint8),
    "warmer light": lambda: (still(1) * [1.15, 1.0, 0.8]).clip(0, 255).astype(np.uint8),
    "light from the side": lambda: (
        (still(1) * np.linspace(0.7, 1.2, 1920)[None, :, None]).clip(0, 255).astype(np.uint8)
    ),
    "a nudge": lambda: nudged(still(1), 7, 4),
    "a turn": lambda: nudged(still(1), 0, 0, degrees=0.3),
    "a lens that isn't quite sharp": lambda: noisy(blurred(still(1), 1)),
}


@pytest.mark.parametrize("case", QUIET)
def test_what_is_no_change_of_stock_opens_no_gate(case: str) -> None:
    eyes = Eyes().settled()
    for _ in range(4):
        decisions = eyes.see(QUIET[case]())
        assert not classified(decisions)
        assert not obstructed(decisions)


LIGHT_OF_A_PART: dict[str, Callable[[], Pixels]] = {
    "one lamp of two out": lambda: _lit(np.interp(np.arange(1920), [600, 1300], [0.35, 1.0])),
    "a second lamp on one side": lambda: _lit(np.interp(np.arange(1920), [400, 1100], [1.0, 1.4])),
    "a blind half closed": lambda: noisy(
        (still(1) * np.linspace(1.0, 0.5, 1080)[:, None, None]).clip(0, 255).astype(np.uint8)
    ),
    "another gamma": lambda: noisy((255 * (still(1) / 255.0) ** 1.6).astype(np.uint8)),
}


@pytest.mark.parametrize("case", LIGHT_OF_A_PART)
def test_another_light_in_a_part_of_the_picture_obstructs_nothing_for_long(case: str) -> None:
    """Somebody in a plain coat may stand there for 24 s; after that it is the light, and is looked at once."""
    eyes = Eyes().settled()
    seen = [eyes.see(LIGHT_OF_A_PART[case](), after_s=10) for _ in range(8)]
    assert not any(obstructed(decisions) or classified(decisions) for decisions in seen[-3:])


def _plain_coat() -> Pixels:
    """Somebody in dark cloth before the first location: as dim as a shadow around it, and its carton can't be seen."""
    pixels = still(1).astype(np.float64)
    left, top = SLOTS[0].corners.min(axis=0).astype(int) - 40
    right, bottom = SLOTS[0].corners.max(axis=0).astype(int) + 40
    pixels[top:bottom, left:right] *= 0.5
    left, top, right, bottom = left + 40, top + 40, right - 40, bottom - 40
    pixels[top:bottom, left:right] = 40
    return noisy(pixels.astype(np.uint8))


def test_what_could_be_a_shadow_has_to_rest_for_a_while_where_the_content_differs_too() -> None:
    eyes, coat = Eyes().settled(), _plain_coat()
    eyes.see(coat)
    for _ in range(4):
        assert LOCATIONS[0] not in classified(eyes.see(coat, after_s=5))
    seen = eyes.see(coat, after_s=5)
    assert LOCATIONS[0] in classified(seen)
    rested = {location: decision.rested_s for location, decision in seen.items()}
    assert rested == dict.fromkeys(LOCATIONS, 0.0) | {LOCATIONS[0]: SETTLES_S}
    assert ViewSection().doubt_s >= SETTLES_S, "with the votes, as soon as what is doubted"


@pytest.mark.parametrize(
    ("gaps_s", "rested_s"),
    [([3600.0], 0.0), ([12.0, 12.0], 0.0), ([5.0, 5.0, 3600.0], 0.0), ([5.0, 11.0, 5.0, 5.0], 10.0)],
)
def test_a_time_in_which_nothing_was_seen_is_no_rest(gaps_s: list[float], rested_s: float) -> None:
    """A rest counts for the doubt in a view, which looks again every few seconds."""
    eyes, coat = Eyes().settled(), _plain_coat()
    eyes.see(coat)
    for gap_s in gaps_s[:-1]:
        assert LOCATIONS[0] not in classified(eyes.see(coat, after_s=gap_s))
    seen = eyes.see(coat, after_s=gaps_s[-1])[LOCATIONS[0]]
    assert seen.changed
    assert seen.rested_s == rested_s
    assert MAX_FRAME_GAP_S <= VOTE_AGAIN_S


def test_a_change_in_a_light_that_stays_did_not_have_to_rest() -> None:
    eyes, changed = Eyes().settled(), shelf(Change(0, ChangeKind.REMOVE, LOCATIONS[0])).frame(1)
    eyes.see(changed)
    seen = eyes.see(changed)[LOCATIONS[0]]
    assert seen.changed
    assert seen.rested_s == 0


def test_where_half_of_the_slots_are_covered_what_changes_in_the_others_is_no_stock() -> None:
    """A camera's menu: what it covers around each location varies, and it stands before all of them."""
    eyes, menu = Eyes().settled(), writing(still(1).astype(np.float32), 0.0).astype(np.uint8)
    for _ in range(8):
        assert not classified(eyes.see(menu, after_s=10))


def test_what_was_too_bright_to_be_told_may_have_been_any_brighter() -> None:
    """The beam's red is clipped in the first picture; in less light it is more than that picture promises."""
    eyes = Eyes(commissioned=False)
    for number in range(2):
        eyes.see((still(number) * 1.6).clip(0, 255).astype(np.uint8))
    eyes.see(still(2))
    for number in range(3, 6):
        decisions = eyes.see(still(number))
        assert not any(decision.busy for decision in decisions.values())


@pytest.mark.parametrize("kind", [ChangeKind.REMOVE, ChangeKind.UNKNOWN, ChangeKind.WRONG_VARIANT])
def test_a_change_of_stock_opens_the_gate_of_its_location_when_it_rests(kind: ChangeKind) -> None:
    """Some locations in turn, a sibling where one is put."""
    for location in LOCATIONS[::4]:
        if STOCK[location] is None:
            continue
        eyes = Eyes().settled()
        name = (OTHER_TEA if STOCK[location] == TEA else TEA) if kind is ChangeKind.WRONG_VARIANT else ""
        changed = shelf(Change(1, kind, location, name=name))
        assert not classified(eyes.see(changed.frame(2))), "it moves"
        decisions = eyes.see(changed.frame(3))
        assert classified(decisions) == [location]
        assert decisions[location].changed
        assert not classified(eyes.see(changed.frame(4)))


def test_a_carton_put_into_an_empty_place_opens_its_gate() -> None:
    empty = next(location for location in LOCATIONS if STOCK[location] is None)
    eyes, changed = Eyes().settled(), shelf(Change(1, ChangeKind.PLACE, empty, name=TEA))
    eyes.see(changed.frame(2))
    assert classified(eyes.see(changed.frame(3))) == [empty]


def test_a_change_under_another_light_is_found_too() -> None:
    eyes = Eyes().settled()
    changed = shelf(Change(1, ChangeKind.REMOVE, LOCATIONS[0]), Change(1, ChangeKind.LIGHT, amount=0.7))
    eyes.see(changed.frame(2))
    assert classified(eyes.see(changed.frame(3))) == [LOCATIONS[0]]


def test_somebody_walking_past_is_no_change_of_stock() -> None:
    eyes, walk = Eyes().settled(), shelf(Change(1, ChangeKind.WALK_PAST, amount=12.0))
    for number in range(1, 20):
        assert not classified(eyes.see(walk.frame(number)))


def test_somebody_standing_there_obstructs_and_nothing_else() -> None:
    eyes = Eyes().settled()
    standing = shelf(Change(0, ChangeKind.WALK_PAST, amount=2.0)).frame(1)
    for _ in range(RULES.obstructed_after - 1):
        assert not obstructed(eyes.see(standing))
    for number in range(5):
        decisions = eyes.see(noisy(standing, number))
        assert not classified(decisions)
        found = obstructed(decisions)
        assert found
        assert found == obstructed(eyes.see(standing))
    eyes.see(still(3))
    for number in (4, 5):
        decisions = eyes.see(still(number))
        assert not obstructed(decisions)
        assert not classified(decisions), "the stock is what it was"


def test_what_stands_there_and_does_not_move_is_settled_after_a_minute() -> None:
    eyes = Eyes().settled()
    standing = shelf(Change(0, ChangeKind.WALK_PAST, amount=2.0)).frame(1)
    seen = [eyes.see(noisy(standing, number), after_s=10) for number in range(10)]
    behind = obstructed(seen[-1])
    assert behind
    assert [{name for name, decision in one.items() if decision.settled} for one in seen[:6]] == [set()] * 6
    assert {name for name, decision in seen[-1].items() if decision.settled} == behind
    assert not any(decision.settled for decision in eyes.see(still(3)).values())


def test_what_stands_there_in_the_first_picture_has_not_stood_there_for_long() -> None:
    eyes, standing = Eyes(), shelf(Change(0, ChangeKind.WALK_PAST, amount=2.0)).frame(1)
    seen = [eyes.see(noisy(standing, number), after_s=10) for number in range(10)]
    assert any(decision.busy for decision in seen[0].values())
    assert [any(decision.settled for decision in one.values()) for one in seen] == [False] * 6 + [True] * 4


def test_what_does_not_come_to_rest_obstructs() -> None:
    eyes = Eyes().settled()
    restless = [
        shelf(Change(1, ChangeKind.PLACE, LOCATIONS[0], name=TEA)),
        shelf(Change(1, ChangeKind.REMOVE, LOCATIONS[0])),
    ]
    found = [obstructed(eyes.see(restless[number % 2].frame(2))) for number in range(5)]
    assert found == [set(), set(), {LOCATIONS[0]}, {LOCATIONS[0]}, {LOCATIONS[0]}]
    for number in range(8):
        assert not any(
            decision.settled for decision in eyes.see(restless[1 - number % 2].frame(2), after_s=10).values()
        )
    assert classified(eyes.see(restless[0].frame(3))) == [LOCATIONS[0]]


def test_a_location_at_rest_is_looked_at_again_after_a_while() -> None:
    eyes = Eyes().settled()
    assert not classified(eyes.see(still(2), after_s=250))
    decisions = eyes.see(still(3), after_s=51)
    assert classified(decisions) == LOCATIONS
    assert not any(decision.changed for decision in decisions.values())
    assert not classified(eyes.see(still(4)))


def test_a_location_that_is_wanted_is_classified_once_it_rests() -> None:
    eyes = Eyes().settled()
    decisions = eyes.see(still(2), wanted=LOCATIONS[4])
    assert classified(decisions) == [LOCATIONS[4]]
    assert not decisions[LOCATIONS[4]].changed


def test_after_a_lost_view_everything_is_classified_again() -> None:
    eyes = Eyes().settled()
    eyes.gate.forget()
    assert classified(eyes.see(still(2))) == LOCATIONS


def test_somebody_in_the_first_picture_is_forgotten_without_a_commissioning_picture() -> None:
    somebody = shelf(Change(0, ChangeKind.WALK_PAST, amount=2.0)).frame(1)
    eyes = Eyes(commissioned=False)
    eyes.see(somebody)
    eyes.see(still(2))
    for _ in range(RULES.obstructed_after):
        decisions = eyes.see(still(3))
    assert obstructed(decisions)
    eyes.see(still(4), after_s=ADAPT_AFTER_S)
    assert not obstructed(eyes.see(still(5)))


def test_a_commissioning_picture_is_never_forgotten() -> None:
    somebody = shelf(Change(0, ChangeKind.WALK_PAST, amount=2.0)).frame(1)
    eyes = Eyes().settled()
    for _ in range(5):
        decisions = eyes.see(somebody, after_s=ADAPT_AFTER_S)
    assert obstructed(decisions)


@pytest.mark.parametrize("nudge", [12, -12])
@pytest.mark.parametrize("mask", [Mask(), Mask([rectangle(0, 0, 0.1, 1)])], ids=["edge", "mask"])
def test_what_a_nudge_takes_out_of_sight_or_brings_into_it_stands_before_nothing(nudge: int, mask: Mask) -> None:
    """The picture's edge, or a mask that stays where it is, runs through what is around the slots."""
    cells = np.random.default_rng(0).integers(60, 200, (12, 40, 3))
    rack = np.asarray(np.kron(cells, np.ones((20, 20, 1))), np.uint8)
    left = (42.0 if mask.areas else 2.0) + max(0, -nudge)
    corners = np.stack([rectangle(left, y, left + 60, y + 60) for y in (10.0, 90.0, 170.0)])
    before, after = (mask.black_out(rack[:, 100 - moved : 500 - moved]) for moved in (0, nudge))
    gate = ChangeGate(RULES, corners, mask)
    for second, (small, moved) in enumerate([(before, 0)] * 2 + [(after, nudge)] * 6):
        decisions = gate.decide(small, corners + np.array([moved, 0.0]), float(second), [False] * len(corners))
    assert not any(decision.obstructed or decision.busy for decision in decisions)


def test_places_around_a_slot_that_lie_in_another_are_not_its_own() -> None:
    alone = own_places(np.stack([rectangle(0, 0, 10, 10), rectangle(100, 0, 110, 10)]))
    assert alone.all()
    beside = own_places(np.stack([rectangle(0, 0, 10, 10), rectangle(10, 0, 20, 10)]))
    assert 0.6 < beside.mean() < 0.9


def test_slots_side_by_side_are_told_by_their_contents_alone() -> None:
    rng = np.random.default_rng(0)
    columns, rows = 4, 4
    corners = np.stack(
        [rectangle(x, y, x + 50, y + 50) for y in np.arange(rows) * 50.0 for x in np.arange(columns) * 50.0]
    )
    gate = ChangeGate(RULES, corners)
    small = np.asarray(rng.integers(60, 200, (rows * 50, columns * 50, 3)), np.uint8)
    small = np.asarray(np.kron(small[::10, ::10], np.ones((10, 10, 1), np.uint8)))
    assert all(decision.classify for decision in gate.decide(small, corners, 1.0, [False] * 16))
    changed = small.copy()
    changed[55:95, 55:95] = 255 - changed[55:95, 55:95]
    gate.decide(changed, corners, 2.0, [False] * 16)
    decisions = gate.decide(changed, corners, 3.0, [False] * 16)
    assert [index for index, decision in enumerate(decisions) if decision.classify] == [5]
    assert not any(decision.obstructed for decision in decisions)


def test_a_camera_that_changes_its_resolution_stops_nobody() -> None:
    gate, corners = ChangeGate(RULES, CORNERS / 4), CORNERS / 16
    large = np.full((270, 480, 3), 90, np.uint8)
    for number, small in enumerate((large, large[:40, :60], large)):
        assert len(gate.decide(small, corners, float(number), [False] * len(SLOTS))) == len(SLOTS)
