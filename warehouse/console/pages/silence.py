"""Locations whose agent has said nothing for too long, and those that can be seen again: no event tells of them.

Looked for once for all who look at a rack: rows whose time is over are found by an index, and only the locations that
have changed are read.
"""

import re
import threading
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, literal_column, or_, select

from kardus.contract.verdicts import Verdict
from warehouse.console.locations import UNIX_EPOCH_JD
from warehouse.console.pages.places import place_of
from warehouse.console.pages.tiles import Tile, tiles_of
from warehouse.store.tables import latest

_void_at: ColumnElement[float] = literal_column("latest.void_at")
_verdict: ColumnElement[str] = literal_column("latest.verdict")


class Silence:
    """Of one site. For any thread."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._lock = threading.Lock()
        self._silent: frozenset[tuple[str, str]] | None = None
        self._at: datetime | None = None
        self._tiles: dict[str, list[Tile]] = {}

    def changed(self, connection: Connection, now: datetime, rack: str, pattern: re.Pattern[str]) -> list[Tile]:
        """The rack's tiles that fell silent, or were heard again, since the look before; read once for one `now`."""
        with self._lock:
            if self._at != now:
                self._look(connection, now, pattern)
                self._at = now
            return self._tiles.get(rack, [])

    def _look(self, connection: Connection, now: datetime, pattern: re.Pattern[str]) -> None:
        day = now.timestamp() / 86_400 + UNIX_EPOCH_JD
        chosen = select(latest.c.agent, latest.c.subject).where(
            latest.c.kind == "state", or_(_void_at <= day, _verdict == Verdict.STALE.value)
        )
        silent = frozenset((agent, code) for agent, code in connection.execute(chosen))
        changed = silent ^ (silent if self._silent is None else self._silent)
        self._silent, self._tiles = silent, {}
        codes = sorted({code for _, code in changed})
        for code, tile in tiles_of(connection, codes, now).items():
            self._tiles.setdefault(place_of(code, pattern).rack, []).append(tile)
