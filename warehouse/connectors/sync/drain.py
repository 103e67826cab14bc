"""How much of the stock has gone within a while: each answer may lack little, and all of them together nearly all.

Net: what is picked at one location and stored at another one is no loss.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kardus.contract.messages import Expected
from kardus.support.harmless import one_line
from warehouse.connectors.sync.reconcile import CONFIRM, Plan

LITTLE = 20
"""So many may go whatever the share: as many walks are soon made."""
PARTS = 60
"""Into so many a while is divided: of each the most is kept."""


@dataclass(frozen=True)
class StockLevel:
    """How many there were at one time."""

    unix_s: float
    managed: int
    """Locations that are managed."""
    occupied: int
    """Of these, those that hold something."""


def level_of(expected: Iterable[Expected], unix_s: float) -> StockLevel:
    """Of what is expected then."""
    managed = [one for one in expected if one.managed]
    return StockLevel(unix_s, len(managed), sum(one.sku is not None for one in managed))


class DrainGuard:
    """Remembers the levels of a while, up to the last answer that was taken: an answer that is held ages none."""

    def __init__(self, within_s: float, most: float, levels: Sequence[StockLevel] = ()) -> None:
        """Prepare.

        Args:
            within_s: the while, in seconds.
            most: the share of the highest level in it that may be gone at its end; 1: all of it.
            levels: what was remembered before, by its time.
        """
        self._within_s, self._most = within_s, most
        self.levels = tuple(levels)
        """Of the last while, by their time."""

    def checked(self, found: Plan, then: StockLevel) -> Plan:
        """The plan, or one that publishes nothing. `then`: the level that it leads to."""
        doubt = self._doubt(then)
        if found.held or not found.changes or not doubt:
            return found
        return replace(found, changes=(), held=one_line(f"{doubt}: {CONFIRM}"))

    def note(self, level: StockLevel, *, afresh: bool) -> None:
        """An answer was taken. `afresh`: a person has said that it is right, so that what was before counts no more."""
        kept = [] if afresh else [one for one in self.levels if abs(level.unix_s - one.unix_s) <= self._within_s]
        if kept and level.unix_s - kept[-1].unix_s < self._within_s / PARTS:
            last = kept.pop()
            level = StockLevel(last.unix_s, max(last.managed, level.managed), max(last.occupied, level.occupied))
        self.levels = (*kept, level)

    def _doubt(self, then: StockLevel) -> str:
        if not self.levels:
            return ""
        managed, occupied = (max(one.managed for one in self.levels), max(one.occupied for one in self.levels))
        for what, before, after in (("managed", managed, then.managed), ("occupied", occupied, then.occupied)):
            if before - after > max(LITTLE, self._most * before):
                return f"of {before} {what} locations {after} would be left within {self._within_s / 60:.0f} minutes"
        return ""
