"""What is wrong with an outbox file, found without touching it."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

from edge_agent.reporting.outbox.schema import open_file, unusable
from kardus.support.errors import KardusError

CHECKS = 3


def check_outbox(path: Path) -> str:
    """What is wrong with an outbox file, in words; empty if nothing is, or if there is none yet.

    Changes nothing: to open a file in WAL mode is to write, so a copy is opened. One that is taken while the agent
    writes may be torn, so that only what is found CHECKS times is wrong.
    """
    found = ""
    for _ in range(CHECKS if path.exists() else 0):
        with tempfile.TemporaryDirectory() as folder:
            found = _check_copy(path, Path(folder) / path.name)
        if not found:
            return ""
    return found


def _check_copy(path: Path, copy: Path) -> str:
    try:
        for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            if file.exists():
                shutil.copy(file, copy.parent)
        open_file(copy).close()
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror}): check the folder's rights"
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        return str(unusable(path, error))
    except KardusError as error:
        return str(error).replace(str(copy), str(path))
    return ""
