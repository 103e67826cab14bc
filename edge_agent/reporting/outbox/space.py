"""Keeps enough of the disk free for the outbox to be emptied: deleting rows from SQLite takes space, too."""

import errno
import os
import shutil
import sqlite3
from pathlib import Path

RESERVE_BYTES = 2_000_000
"""What deleting takes, with the write-ahead log emptied before. Nothing new is stored in it."""

_PAGES_AT_ONCE = 50
"""To give pages back is to move others, through the write-ahead log."""


def make_room(database: sqlite3.Connection, path: Path) -> bool:
    """Where the disk is nearly full, give back what the write-ahead log and deleted rows take; whether there is room.

    Raises:
        sqlite3.Error: the disk takes nothing.
    """
    if _has_room(path):
        return True
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if not _has_room(path):
        database.executescript(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})")  # `execute` gives back one alone
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return _has_room(path)


def require_room(database: sqlite3.Connection, path: Path) -> None:
    """Make room.

    Raises:
        OSError: there is none for anything new.
        sqlite3.Error: the disk takes nothing.
    """
    if not make_room(database, path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _has_room(path: Path) -> bool:
    """Whether the write-ahead log could be carried over into the file, and the reserve be left."""
    log = path.with_name(f"{path.name}-wal")
    carried = log.stat().st_size if log.exists() else 0
    return shutil.disk_usage(path.parent).free >= RESERVE_BYTES + carried
