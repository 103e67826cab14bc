"""A damaged outbox: set aside, and what can still be read of it carried over to a new one."""

import contextlib
import itertools
import logging
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any

from edge_agent.reporting.outbox import rows
from edge_agent.reporting.outbox.epoch import carry_over
from edge_agent.reporting.outbox.schema import is_sequence, meta_of, open_database
from kardus.contract.ranges import Range, gaps, ranges_of
from kardus.support.files import rename_damaged
from kardus.support.identifiers import is_uuid7, uuid7

_COLUMNS = "id, kind, topic, payload, retain, location, epoch, sequence, urgent, stored_unix_s"
_TYPES = (int, str, str, bytes, int, str, str | None, int | None, int, float)
_UNREADABLE = (sqlite3.Error, ValueError)
"""ValueError: a message of SQLite's that cites spoilt text."""
_SKIP_FIRST = 1
_SKIP_MOST = 100_000
_STEPS_A_CALL, _STEPS_AT_LEAST = 1000, 1_000_000
_HEADER_BYTES = 100
"""Of an SQLite file: https://www.sqlite.org/fileformat2.html, section 1.3."""
log = logging.getLogger("kardus.outbox")


@dataclass
class SalvagedOutbox:
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
    aside = rename_damaged(path)
    saved = read_what_can_be(aside)
    database = open_database(path)
    with database:
        database.execute("UPDATE meta SET value = ? WHERE key = 'epoch'", (uuid7(after=_last_epoch(saved)),))
        database.executemany(
            "INSERT INTO messages (kind, topic, payload, retain, location, epoch, sequence, urgent, stored_unix_s, "
            "sent_unix_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            [row[1:] for row in saved.messages],
        )
        database.executemany("INSERT OR REPLACE INTO states VALUES (?, ?)", saved.states)
        database.executemany("INSERT OR IGNORE INTO retained VALUES (?)", saved.retained)
        carry_over(database, saved.meta)
        rows.add_lost(database, [*saved.lost, *missing(saved)])
    log.error(
        "%s was damaged: it is kept as %s; %d messages and %d states were saved, and a new epoch begins",
        path,
        aside.name,
        len(saved.messages),
        len(saved.states),
    )
    return database


def _last_epoch(saved: SalvagedOutbox) -> str:
    """The highest that is named anywhere; empty: none is."""
    named = {str(saved.meta.get("epoch", "")), *(str(row[6]) for row in saved.messages)}
    return max((epoch for epoch in named if is_uuid7(epoch)), default="")


def missing(saved: SalvagedOutbox) -> list[tuple[str, Range]]:
    """Events that waited and can't be read any more, as far as can be told: those between the first and the last."""
    epoch, noted = saved.meta.get("epoch"), saved.meta.get("sequence", "")
    last = int(noted) if is_sequence(noted) else 0
    found = [row[7] for row in saved.messages if row[6] == epoch and row[7] is not None]
    if not epoch or not found:
        return []
    return [(epoch, ends) for ends in gaps(ranges_of(found), min(found), max(last, *found))]


def read_what_can_be(path: Path) -> SalvagedOutbox:
    """Whatever SQLite still gives of a damaged file; where its first page is spoilt, with another in its place."""
    saved = _read(path)
    if not saved.meta and not saved.messages:
        with contextlib.suppress(OSError, *_UNREADABLE), tempfile.TemporaryDirectory(dir=path.parent) as folder:
            saved = _read(_with_another_first_page(path, Path(folder)))
    return saved


def _with_another_first_page(path: Path, folder: Path) -> Path:
    """A copy with the first page of an empty outbox, which says where its tables lie: in the same places."""
    empty, copy = folder / "empty", folder / "copy"
    open_database(empty).close()
    header = empty.read_bytes()[:_HEADER_BYTES]
    page = bytearray(empty.read_bytes()[: int.from_bytes(header[16:18], "big")])
    page[32:40] = bytes(8)  # no free pages: what they were is gone with the page
    page[92:96] = bytes(4)  # of another change than the file's: so that its length is taken from the disk
    for suffix in ("", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
    with copy.open("r+b") as file:
        file.write(page)
    return copy


def _read(path: Path) -> SalvagedOutbox:
    saved = SalvagedOutbox()
    try:
        database = sqlite3.connect(path)
    except sqlite3.Error:
        return saved
    with contextlib.closing(database):
        _limit(database, path.stat().st_size)
        with contextlib.suppress(*_UNREADABLE):
            saved.meta = meta_of(database)
        saved.messages = list(_messages(database))
        with contextlib.suppress(*_UNREADABLE):
            states = database.execute("SELECT location, payload FROM states").fetchall()
            saved.states = [row for row in states if _fits(row, (str, str))]
        with contextlib.suppress(*_UNREADABLE):
            retained = database.execute("SELECT topic FROM retained").fetchall()
            saved.retained = [row for row in retained if _fits(row, (str,))]
        with contextlib.suppress(*_UNREADABLE):
            lost = database.execute("SELECT epoch, first, last FROM lost").fetchall()
            saved.lost = [(row[0], (row[1], row[2])) for row in lost if _fits(row, (str, int, int))]
    return saved


def _limit(database: sqlite3.Connection, size_bytes: int) -> None:
    """End the reading after more steps than a sound file of that size takes: a spoilt one can go in circles."""
    steps = itertools.count(_STEPS_A_CALL, _STEPS_A_CALL)
    most = _STEPS_AT_LEAST + 4 * size_bytes
    database.set_progress_handler(lambda: next(steps) > most, _STEPS_A_CALL)


def _messages(database: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Messages in their order; behind one that can't be read, the next that can be is looked for ever further on."""
    last, skip = 0, _SKIP_FIRST
    while skip <= _SKIP_MOST:
        try:
            for row in database.execute(
                f"SELECT {_COLUMNS} FROM messages NOT INDEXED WHERE id > ? ORDER BY id",  # noqa: S608 - a constant
                (last,),
            ):
                if row[0] <= last:
                    raise sqlite3.DatabaseError("the tree of rows leads back to where it was")
                last, skip = row[0], _SKIP_FIRST
                if _is_whole(row):
                    yield row
        except _UNREADABLE:
            last += skip
            skip *= 2
        else:
            return


def _is_whole(row: tuple[Any, ...]) -> bool:
    """Whether a row can have been written so: pages of other content may pass for rows."""
    return row[1] in ("event", "state", "evidence") and _fits(row, _TYPES)


def _fits(row: tuple[Any, ...], types: tuple[type | UnionType, ...]) -> bool:
    return all(isinstance(value, wanted) for value, wanted in zip(row, types, strict=True))
