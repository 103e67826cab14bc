"""What goes little by little is noticed when much of it is gone; work isn't held up."""

import random

import pytest

from kardus.contract.messages import Expected
from tests.warehouse.connectors.sync.test_reconcile import Held, applied, contents, snapshot
from warehouse.connectors.sync.drain import LITTLE, WINDOW_BUCKETS, DrainGuard, StockLevel, level_of
from warehouse.connectors.sync.reconcile import Plan, plan
from warehouse.stock.publishing import StockChange
from warehouse.stock.stock_list import StockRules

RULES = StockRules()
SOME = Plan(changes=(StockChange("A-1", Expected(revision=1, sku="Tea")),))


class _Followed:
    """A warehouse that is followed minute by minute."""

    def __init__(self, occupied: int, most: float = 0.5) -> None:
        self.stock: Held = {f"A-{n:04}": ("Tea", 1) for n in range(occupied)}
        self.guard, self.known, self.now_s = DrainGuard(3600, most), dict[str, Expected](), 1e9
        self.answered(confirmed=True)

    def answered(self, *, confirmed: bool = False) -> Plan:
        """A minute later; whatever is held isn't published."""
        self.now_s += 60
        found = plan(snapshot(self.stock), self.known, int(1000 * self.now_s), RULES, confirmed=confirmed)
        if not confirmed:
            after = applied(self.known, found)
            levels = (level_of(one.values(), self.now_s) for one in (self.known, after))
            found = self.guard.checked(found, *levels)
        if not found.held:
            self.known = applied(self.known, found)
            self.guard.note(level_of(self.known.values(), self.now_s), afresh=confirmed)
        return found

    def lose(self, share: float, way: str) -> None:
        """So much of what is there."""
        full = [code for code, one in self.stock.items() if one]
        for code in full[: int(share * len(full))]:
            if way == "emptied":
                self.stock[code] = None
            else:
                del self.stock[code]


@pytest.mark.parametrize("way", ["emptied", "given up"])
@pytest.mark.parametrize("share", [0.02, 0.05, 0.19])
def test_a_source_that_loses_little_each_time_is_held_before_half_is_gone(share: float, way: str) -> None:
    hall = _Followed(1000)
    for _ in range(60):
        hall.lose(share, way)
        found = hall.answered()
        if found.held:
            break
    assert "start once with --yes" in found.held
    assert "of 1000 " in found.held
    assert "more than most_drained = 0.5 lets go within drained_within_s = 3600" in found.held
    assert not found.changes
    assert sum(one is not None for one in contents(hall.known).values()) >= 500
    before = dict(hall.known)
    for _ in range(300):
        assert hall.answered().held, "however long nobody says a word"
    assert hall.known == before
    assert not hall.answered(confirmed=True).held
    hall.lose(share, way)
    assert not hall.answered().held, "from there on it is counted anew"


def test_a_day_of_work_is_followed_however_much_is_picked_where_as_much_is_stored() -> None:
    hall, chance = _Followed(300), random.Random(7)
    hall.stock |= dict.fromkeys(chance.sample(list(hall.stock), 100))
    hall.answered(confirmed=True)
    for _ in range(200):
        full, empty = ([code for code, one in hall.stock.items() if bool(one) is is_full] for is_full in (True, False))
        hall.stock |= dict.fromkeys(chance.sample(full, 20)) | dict.fromkeys(chance.sample(empty, 20), ("Tea", 1))
        assert not hall.answered().held


def test_a_hall_that_is_emptied_over_a_shift_is_followed_to_its_last_hours() -> None:
    hall = _Followed(400)
    for minute in range(280):
        hall.stock[f"A-{minute:04}"] = None
        assert not hall.answered().held


@pytest.mark.parametrize(("occupied", "most", "held"), [(LITTLE, 0.5, False), (100, 1.0, False), (100, 0.5, True)])
def test_a_small_site_and_one_that_wants_no_guard_are_followed(occupied: int, most: float, *, held: bool) -> None:
    hall, found = _Followed(occupied, most), False
    for code in list(hall.stock)[:-1]:
        hall.stock[code] = None
        found = found or bool(hall.answered().held)
    assert found is held


def test_what_is_remembered_is_short_keeps_the_most_and_survives_a_clock_that_is_set_back() -> None:
    guard = DrainGuard(3600, 0.5)
    for second in range(20_000):
        guard.note(StockLevel(1e9 + second, 100, 50 + second % 50), afresh=False)
    assert len(guard.levels) <= WINDOW_BUCKETS + 2
    assert guard.levels[-2].occupied == 99
    guard.note(StockLevel(1e9 + 18_000, 10, 10), afresh=False)
    assert max(one.occupied for one in guard.levels) == 99


@pytest.mark.parametrize(("before", "then", "held"), [(39, 40, False), (39, 39, False), (39, 38, True)])
def test_what_takes_nothing_away_is_followed_however_much_was_there(before: int, then: int, *, held: bool) -> None:
    """As where somebody else has published since."""
    guard = DrainGuard(3600, 0.5, (StockLevel(1e9, 100, 100),))
    found = guard.checked(SOME, StockLevel(1e9 + 60, 100, before), StockLevel(1e9 + 60, 100, then))
    assert bool(found.held) is held


@pytest.mark.parametrize(("age_s", "held"), [(3500, True), (3700, False), (7 * 86400, False), (-7 * 86400, False)])
def test_levels_that_are_older_than_the_while_hold_nothing(age_s: float, *, held: bool) -> None:
    guard = DrainGuard(3600, 0.5, (StockLevel(1e9 - age_s, 100, 100),))
    guard.begin(StockLevel(1e9, 100, 45))
    assert bool(guard.checked(SOME, StockLevel(1e9, 100, 45), StockLevel(1e9, 100, 40)).held) is held
    assert (guard.levels[0].occupied == 45) is not held


@pytest.mark.parametrize("is_restarted", [True, False])
def test_what_is_held_for_hours_is_held_after_a_restart_and_while_the_wms_is_away(*, is_restarted: bool) -> None:
    guard = DrainGuard(3600, 0.5, (StockLevel(1e9, 100, 100),))
    for minute in range(300):
        now_s = 1e9 + 60 * minute
        assert guard.checked(SOME, StockLevel(now_s, 100, 50), StockLevel(now_s, 100, 49)).held
    if is_restarted:
        guard = DrainGuard(3600, 0.5, guard.levels)
    now_s += 3500 if is_restarted else 36000
    guard.begin(StockLevel(now_s, 100, 50))
    assert guard.checked(SOME, StockLevel(now_s, 100, 50), StockLevel(now_s, 100, 49)).held


def test_what_is_held_is_written_once_a_part_of_the_while() -> None:
    guard, seen = DrainGuard(3600, 0.5, (StockLevel(1e9, 100, 100),)), set[object]()
    for second in range(300):
        now_s = 1e9 + second
        guard.checked(SOME, StockLevel(now_s, 100, 50), StockLevel(now_s, 100, 49))
        seen.add(guard.levels)
    assert len(seen) <= 6


@pytest.mark.parametrize(("later_s", "held"), [(3500, True), (36000, False)])
def test_what_was_there_before_the_wms_was_away_for_hours_holds_nothing(later_s: float, *, held: bool) -> None:
    guard, now_s = DrainGuard(3600, 0.5, (StockLevel(1e9, 100, 100),)), 1e9 + later_s
    assert bool(guard.checked(SOME, StockLevel(now_s, 100, 51), StockLevel(now_s, 100, 49)).held) is held
