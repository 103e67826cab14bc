"""What is wrong with an outbox file, found without touching it."""

import sqlite3
from pathlib import Path

from edge_agent.reporting.outbox.schema import open_database, unusable
from kardus.support.database_copy import problem_in_copy
from kardus.support.errors import KardusError


def check_outbox(path: Path) -> str:
    """What is wrong with an outbox file, in words; empty if nothing is, or if there is none yet. Changes nothing."""

    def look(copy: Path) -> str:
        try:
            open_database(copy).close()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            return str(unusable(path, error))
        except KardusError as error:
            return str(error).replace(str(copy), str(path))
        return ""

    return problem_in_copy(path, look)
