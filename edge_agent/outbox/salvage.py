"""A damaged outbox: set aside, and what can still be read of it carried over to a new one."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_agent.files import set_aside
from edge_agent.outbox import rows
from edge_agent.outbox.message import Range
from edge_agent.outbox.schema import meta_of, open_file

_COLUMNS = "id, kind, topic, payload, retain, location, epoch, sequence, urgent, stored_unix_s"
_SKIP_FIRST = 1
_SKIP_MOST = 100_000
log = logging.getLogger("kardus.outbox")


@dataclass
class Salvaged:
    """What could be read of a damaged file."""

    meta: dict[str, str] = field(default_factory=dict)
    messages: list[tuple[Any, ...]] = field(default_factory=list)
    states: list[tuple[str, str]] = field(default_factory=list)
    retained: list[tuple[str]] = field(default_factory=list)
    lost: list[tuple[str, Range]] = field(default_factory=list)


def begin_anew(path: Path) -> sqlite3.Connection:
    """Set the damaged file aside, and open a new one, of a new epoch, with what could be saved.

    Raises:
        OSError: the folder can't be written to.
        sqlite3.Error: the new file can't be written.
    """
    aside = set_aside(path)
    saved = read_what_can_be(aside)
    database = open_file(path)
    with database:
        database.executemany(
            "INSERT INTO messages (kind, topic, payload, retain, location, epoch, sequence, urgent, stored_unix_s, "
            "sent_unix_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            [row[1:] for row in saved.messages],
        )
        database.executemany("INSERT OR REPLACE INTO states VALUES (?, ?)", saved.states)
        database.executemany("INSERT OR IGNORE INTO retained VALUES (?)", saved.retained)
        rows.add_lost(database, [*saved.lost, *missing(saved)])
    log.error(
        "%s was damaged: it is kept as %s; %d messages and %d states were saved, and a new epoch begins",
        path,
        aside.name,
        len(saved.messages),
        len(saved.states),
    )
    return database


def missing(saved: Salvaged) -> list[tuple[str, Range]]:
    """Events that waited and can't be read any more, as far as can be told: those between the first and the last."""
    epoch, last = saved.meta.get("epoch"), int(saved.meta.get("sequence", "0"))
    found = [row[7] for row in saved.messages if row[6] == epoch and row[7] is not None]
    if not epoch or not found:
        return []
    return [(epoch, ends) for ends in rows.without([(n, n) for n in found], min(found), max(last, *found))]


def read_what_can_be(path: Path) -> Salvaged:
    """Whatever SQLite still gives of a damaged file."""
    saved = Salvaged()
    try:
        database = sqlite3.connect(path)
    except sqlite3.Error:
        return saved
    with contextlib.closing(database):
        with contextlib.suppress(sqlite3.Error, ValueError):
            saved.meta = meta_of(database)
        saved.messages = list(_messages(database))
        with contextlib.suppress(sqlite3.Error):
            saved.states = database.execute("SELECT location, payload FROM states").fetchall()
        with contextlib.suppress(sqlite3.Error):
            saved.retained = database.execute("SELECT topic FROM retained").fetchall()
        with contextlib.suppress(sqlite3.Error):
            saved.lost = [(e, (a, b)) for e, a, b in database.execute("SELECT epoch, first, last FROM lost")]
    return saved


def _messages(database: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Messages in their order; behind one that can't be read, the next that can be is looked for ever further on."""
    last, skip = 0, _SKIP_FIRST
    while skip <= _SKIP_MOST:
        try:
            for row in database.execute(
                f"SELECT {_COLUMNS} FROM messages NOT INDEXED WHERE id > ? ORDER BY id",  # noqa: S608 - a constant
                (last,),
            ):
                last, skip = row[0], _SKIP_FIRST
                if _is_whole(row):
                    yield row
        except sqlite3.Error:
            last += skip
            skip *= 2
        else:
            return


def _is_whole(row: tuple[Any, ...]) -> bool:
    """Whether a row can have been written so: pages of other content may pass for rows."""
    return row[1] in ("event", "state", "evidence") and isinstance(row[2], str) and isinstance(row[3], bytes)
