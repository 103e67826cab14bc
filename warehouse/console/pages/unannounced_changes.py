"""Changes of a rack that no event tells of: they are found by reading the database at intervals.

A location's agent says nothing for too long, or is heard again; an agent goes offline, while what it saw last is still
shown; a rack gains or loses locations. Read once for all who look at a rack: rows whose time is over are found by an
index, only the locations and agents that have changed are read, and the codes of all locations only where one was added
or cleared.
"""

import re
import threading
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, or_, select

from kardus.contract.verdicts import Verdict
from warehouse.console.locations import when_void
from warehouse.console.pages.agent_presence import offline_agents
from warehouse.console.pages.places import place_of
from warehouse.console.pages.tiles import Tile, tiles_of
from warehouse.store.tables import changes, latest, latest_verdict

_MARK = select(
    select(func.count()).select_from(latest).where(latest.c.kind == "state").scalar_subquery(),
    select(func.max(changes.c.number)).where(changes.c.kind == "state").scalar_subquery(),
)
"""How many states there are, and the last change of one: differs wherever a location was added or cleared."""


@dataclass(frozen=True)
class UnannouncedRackChanges:
    """What has changed on one rack since the reading before, that no event tells of."""

    tiles: tuple[Tile, ...] = ()
    """Those that fell silent, or were heard again."""
    offline: tuple[str, ...] | None = None
    """The agents of its locations that are offline; None: the same as before."""
    has_others: bool = False
    """Whether it has gained or lost locations."""


_NOTHING = UnannouncedRackChanges()


class UnannouncedChanges:
    """Finds the changes of one site's racks that no event tells of. For any thread."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lock = threading.Lock()
        self._silent: frozenset[tuple[str, str]] | None = None
        self._offline: frozenset[str] | None = None
        self._codes: frozenset[str] | None = None
        self._mark: tuple[int, int | None] | None = None
        self._at: datetime | None = None
        self._racks: dict[str, UnannouncedRackChanges] = {}

    def begin(self, connection: Connection, now: datetime, pattern: re.Pattern[str]) -> None:
        """Know what is so now, as the first page shows it: what changes before the first reading is told then."""
        with self._lock:
            if self._at is None:
                self._refresh(connection, now, pattern)

    def changed(
        self, connection: Connection, now: datetime, rack: str, pattern: re.Pattern[str]
    ) -> UnannouncedRackChanges:
        """What has changed on a rack since the look before; read once for one `now`."""
        with self._lock:
            if self._at != now:
                self._refresh(connection, now, pattern)
            return self._racks.get(rack, _NOTHING)

    def _refresh(self, connection: Connection, now: datetime, pattern: re.Pattern[str]) -> None:
        tiles = self._changed_tiles(connection, now, pattern)
        offline = self._changed_agents(connection, pattern)
        others = self._changed_racks(connection, pattern)
        self._racks = {
            one: UnannouncedRackChanges(tuple(tiles.get(one, ())), offline.get(one), one in others)
            for one in {*tiles, *offline, *others}
        }
        self._at = now

    def _changed_tiles(self, connection: Connection, now: datetime, pattern: re.Pattern[str]) -> dict[str, list[Tile]]:
        """The tiles that have changed, by rack."""
        chosen = select(latest.c.agent, latest.c.subject).where(
            latest.c.kind == "state", or_(*when_void(now), latest_verdict == Verdict.STALE.value)
        )
        silent = frozenset((agent, code) for agent, code in connection.execute(chosen))
        changed = silent ^ (silent if self._silent is None else self._silent)
        self._silent = silent
        found: dict[str, list[Tile]] = defaultdict(list)
        for code, tile in tiles_of(connection, sorted({code for _, code in changed}), now).items():
            found[place_of(code, pattern).rack].append(tile)
        return found

    def _changed_racks(self, connection: Connection, pattern: re.Pattern[str]) -> set[str]:
        """Those that have gained or lost locations."""
        counted, cleared = connection.execute(_MARK).one()
        if (counted, cleared) == self._mark:
            return set()
        self._mark = (counted, cleared)
        chosen = select(latest.c.subject).distinct().where(latest.c.kind == "state")
        codes = frozenset(connection.execute(chosen).scalars())
        changed = codes ^ (codes if self._codes is None else self._codes)
        self._codes = codes
        return {place_of(code, pattern).rack for code in changed}

    def _changed_agents(self, connection: Connection, pattern: re.Pattern[str]) -> dict[str, tuple[str, ...]]:
        """By rack that an agent watches which went or came back: those of its agents that are offline now."""
        offline = offline_agents(connection)
        changed = offline ^ (offline if self._offline is None else self._offline)
        self._offline = offline
        racks: dict[str, set[str]] = defaultdict(set)
        if changed:
            theirs = select(latest.c.agent, latest.c.subject).where(
                latest.c.kind == "state", latest.c.agent.in_(sorted(offline | changed))
            )
            for agent, code in connection.execute(theirs):
                racks[place_of(code, pattern).rack].add(agent)
        return {rack: tuple(sorted(agents & offline)) for rack, agents in racks.items() if agents & changed}
