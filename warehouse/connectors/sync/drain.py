"""Measures how much of the stock has gone within a while: each answer may lack little, and all together nearly all.

Net: what is picked at one location and stored at another one is no loss.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kardus.contract.messages import Expected
from kardus.support.control_characters import one_line
from warehouse.connectors.sync.reconcile import CONFIRM, Plan

LITTLE = 20
"""So many locations may go whatever the share: they are soon looked at."""
WINDOW_BUCKETS = 60
"""The window has so many parts; of each the highest level is kept."""
WHAT = ("managed", "occupied")
"""What is counted of a level."""


@dataclass(frozen=True)
class StockLevel:
    """How many there were at one time."""

    unix_s: float
    managed: int
    """Locations that are managed."""
    occupied: int
    """Of these, those that hold something."""


def level_of(expected: Iterable[Expected], unix_s: float) -> StockLevel:
    """How many locations are managed, and occupied, by what is expected then."""
    managed = [one for one in expected if one.managed]
    return StockLevel(unix_s, len(managed), sum(one.sku is not None for one in managed))


class DrainGuard:
    """Remembers the levels of a while; what is held stays held, however long."""

    def __init__(self, within_s: float, most: float, levels: Sequence[StockLevel] = ()) -> None:
        """Prepare.

        Args:
            within_s: the while, in seconds.
            most: the share of the highest level in it that may be gone at its end; 1: all of it.
            levels: what was remembered before, by its time.
        """
        self._within_s, self._most = within_s, most
        self._is_holding = False
        self.levels = tuple(levels)
        """The levels of the time that is looked back on, the oldest first."""

    def begin(self, level: StockLevel) -> None:
        """What the broker holds at present: it counts where nothing is remembered of the last while."""
        self.levels = self._recent(level.unix_s) or (level,)

    def checked(self, found: Plan, before: StockLevel, then: StockLevel) -> Plan:
        """The plan, or one that publishes nothing. `before`, `then`: the levels without it and with it."""
        if found.held or not found.changes:
            return found
        levels = self._recent(then.unix_s)
        doubt = self._doubt((*levels, before), before, then)
        if not doubt:
            return found
        if not self._is_holding or abs(then.unix_s - self.levels[-1].unix_s) > self._within_s / WINDOW_BUCKETS:
            highest = (max(getattr(one, what) for one in (*levels, before)) for what in WHAT)
            self.levels = (StockLevel(then.unix_s, *highest),)  # a restart is no way around
        self._is_holding = True
        return replace(found, changes=(), held=one_line(f"{doubt}: {CONFIRM}, or set them to this site's turnover"))

    def note(self, level: StockLevel, *, afresh: bool) -> None:
        """An answer was taken. `afresh`: a person has said that it is right, so that what was before counts no more."""
        kept = [] if afresh else list(self._recent(level.unix_s))
        self._is_holding = False
        if kept and level.unix_s - kept[-1].unix_s < self._within_s / WINDOW_BUCKETS:
            last = kept.pop()
            level = StockLevel(last.unix_s, max(last.managed, level.managed), max(last.occupied, level.occupied))
        self.levels = (*kept, level)

    def _recent(self, unix_s: float) -> tuple[StockLevel, ...]:
        """While an answer is held none ages: the highest would be forgotten, and the rest would go."""
        if self._is_holding:
            return self.levels
        return tuple(one for one in self.levels if abs(unix_s - one.unix_s) <= self._within_s)

    def _doubt(self, levels: Sequence[StockLevel], before: StockLevel, then: StockLevel) -> str:
        """What takes nothing away is never in doubt, whatever was there before."""
        for what in WHAT:
            highest, left = max(getattr(one, what) for one in levels), getattr(then, what)
            if left < getattr(before, what) and highest - left > max(LITTLE, self._most * highest):
                return (
                    f"of {highest} {what} locations {left} would be left: more than most_drained = {self._most:g} "
                    f"lets go within drained_within_s = {self._within_s:g}"
                )
        return ""
