"""Changes of a rack that no event tells of: they are found by reading the database at intervals.

A location's agent says nothing for too long, or is heard again; an agent goes offline, while what it saw last is still
shown; a rack gains or loses locations. Read once for all who look at a rack: rows whose time is over are found by an
index, only the locations and agents that have changed are read, and the codes of all locations only where one was added
or cleared.

A page that is opened follows only a moment after it was read. It carries the mark that its rack had then: where the
rack has another one by the time that the page follows, something was told in between, and the page is read anew.
"""

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import Connection, func, or_, select

from kardus.contract.verdicts import Verdict
from warehouse.console.api.locations import when_void
from warehouse.console.pages.content.agent_presence import offline_agents
from warehouse.console.pages.content.places import CodePatterns, place_of
from warehouse.console.pages.content.tiles import Tile, tiles_of
from warehouse.store.tables import changes, latest, latest_verdict

_COUNTED = select(
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


@dataclass(frozen=True)
class _Known:
    """How all racks were at one reading."""

    silent: frozenset[tuple[str, str]]
    offline: frozenset[str]
    counted: tuple[int, int | None]
    """Differs wherever a location was added or cleared."""
    codes: frozenset[str]


class UnannouncedChanges:
    """Finds the changes of one site's racks that no event tells of. For any thread."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lock = threading.Lock()
        self._known: _Known | None = None
        self._at: datetime | None = None
        self._racks: dict[str, UnannouncedRackChanges] = {}
        self._process = uuid4().hex[:8]
        self._numbers: Counter[str] = Counter()

    def mark(self, rack: str) -> str:
        """Differs after each change of a rack; to be asked before the database is read for a page of it."""
        with self._lock:
            return f"{self._process}-{self._numbers[rack]}"

    def has_changed(self, rack: str, mark: str) -> bool:
        """Whether a rack has changed since it had this mark.

        Not where the mark is of a server that has ended: its pages have lost their connection, and are read anew, each
        in its own moment, as they get another.
        """
        return mark.startswith(f"{self._process}-") and mark != self.mark(rack)

    def begin(self, connection: Connection, now: datetime, patterns: CodePatterns) -> None:
        """Know what is so now, as the first page shows it: what changes before the first reading is told then."""
        with self._lock:
            if self._at is None:
                self._refresh(connection, now, patterns)

    def changed(
        self, connection: Connection, now: datetime, rack: str, patterns: CodePatterns
    ) -> UnannouncedRackChanges:
        """What has changed on a rack since the reading before; read once for one `now`."""
        with self._lock:
            if self._at != now:
                self._refresh(connection, now, patterns)
            return self._racks.get(rack, _NOTHING)

    def _refresh(self, connection: Connection, now: datetime, patterns: CodePatterns) -> None:
        """Known is what was read whole: where one of the readings fails, nothing of it is forgotten."""
        known = self._read(connection, now)
        before = known if self._known is None else self._known
        changed = sorted({code for _, code in known.silent ^ before.silent})
        tiles: dict[str, list[Tile]] = defaultdict(list)
        for code, tile in tiles_of(connection, changed, now).items():
            tiles[place_of(code, patterns).rack].append(tile)
        offline = _changed_agents(connection, known.offline, before.offline, patterns)
        others = {place_of(code, patterns).rack for code in known.codes ^ before.codes}
        self._racks = {
            one: UnannouncedRackChanges(tuple(tiles.get(one, ())), offline.get(one), one in others)
            for one in {*tiles, *offline, *others}
        }
        self._numbers.update(self._racks.keys())
        self._known, self._at = known, now

    def _read(self, connection: Connection, now: datetime) -> _Known:
        chosen = select(latest.c.agent, latest.c.subject).where(
            latest.c.kind == "state", or_(*when_void(now), latest_verdict == Verdict.STALE.value)
        )
        silent = frozenset((agent, code) for agent, code in connection.execute(chosen))
        number, cleared = connection.execute(_COUNTED).one()
        if self._known is not None and self._known.counted == (number, cleared):
            codes = self._known.codes
        else:
            stated = select(latest.c.subject).distinct().where(latest.c.kind == "state")
            codes = frozenset(connection.execute(stated).scalars())
        return _Known(silent, offline_agents(connection), (number, cleared), codes)


def _changed_agents(
    connection: Connection, offline: frozenset[str], before: frozenset[str], patterns: CodePatterns
) -> dict[str, tuple[str, ...]]:
    """By rack that an agent watches which went or came back: those of its agents that are offline now."""
    changed = offline ^ before
    racks: dict[str, set[str]] = defaultdict(set)
    if changed:
        theirs = select(latest.c.agent, latest.c.subject).where(
            latest.c.kind == "state", latest.c.agent.in_(sorted(offline | changed))
        )
        for agent, code in connection.execute(theirs):
            racks[place_of(code, patterns).rack].add(agent)
    return {rack: tuple(sorted(agents & offline)) for rack, agents in racks.items() if agents & changed}
