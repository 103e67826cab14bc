"""Checks an SQLite file without changing it: opening one in WAL mode writes to it, so a copy is opened."""

import errno
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

CHECKS = 3


def problem_in_copy(path: Path, look: Callable[[Path], str]) -> str:
    """What is wrong with a database, in words; empty if nothing is, or if there is none yet. Changes nothing.

    A copy that is taken while somebody writes may be torn, so that only what is found CHECKS times is wrong.

    Args:
        path: the file.
        look: says what is wrong with a copy of it, which lies elsewhere; empty: nothing.
    """
    found = ""
    for _ in range(CHECKS if path.exists() else 0):
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = look(_copied(path, Path(folder)))
            except OSError as error:
                full = f", and the space of {tempfile.gettempdir()}" if error.errno == errno.ENOSPC else ""
                found = f"{path}: cannot be read ({error.strerror}): check the folder's rights{full}"
        if not found:
            return ""
    return found


def _copied(path: Path, folder: Path) -> Path:
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        if file.exists():
            shutil.copy(file, folder)
    return folder / path.name
