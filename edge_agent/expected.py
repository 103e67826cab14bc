"""What the WMS expects, kept on disk, so that a restart without a network still knows it."""

from __future__ import annotations

import logging
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from edge_agent.contract.messages import Expected
from edge_agent.errors import KardusError

MAX_BYTES = 65_536
log = logging.getLogger("kardus.expected")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS expected (
    location TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    payload TEXT NOT NULL,
    received_unix_s REAL NOT NULL
) STRICT
"""


@dataclass(frozen=True)
class Expectation:
    """What is expected at a location, and when the agent came to know it (Unix time, seconds)."""

    expected: Expected
    received_unix_s: float
    replaced_s: float | None = None
    """When it took the place of another product's, by the monotonic clock of this run; None: it didn't."""

    def replaced_ago_s(self) -> float | None:
        """Seconds since it took the place of another product's; None: it didn't, in this run."""
        return None if self.replaced_s is None else time.monotonic() - self.replaced_s

    def age_s(self, now_unix_s: float) -> float:
        """Seconds since it was received; 0 where the clock was set back."""
        return max(0.0, now_unix_s - self.received_unix_s)


class ExpectedStore:
    """The expected stock of the agent's own locations. Owned by one thread."""

    def __init__(self, path: Path, locations: frozenset[str]) -> None:
        """Open or make the database, and read what it knows of the locations.

        Raises:
            KardusError: the database cannot be opened.
        """
        self._path = path
        try:
            self._database = sqlite3.connect(path, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute(_SCHEMA)
        except sqlite3.OperationalError as error:
            raise KardusError(f"{path}: cannot be opened ({error}): check the folder's rights and space") from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error
        known = self._read()
        self._locations = locations
        self._known = {location: known[location] for location in known if location in locations}
        self.refused = 0
        """How many messages were refused."""

    def use(self, locations: frozenset[str]) -> None:
        """Other locations; what was stored of them before is known again.

        Raises:
            KardusError: the database cannot be read.
        """
        stored = self._read()
        self._locations = locations
        self._known = {
            location: known
            for location in locations
            if (known := self._known.get(location) or stored.get(location)) is not None
        }

    def get(self, location: str) -> Expectation | None:
        """What the WMS expects; None where it has said nothing, or has given the location up."""
        expectation = self._known.get(location)
        return expectation if expectation and expectation.expected.managed else None

    def apply(self, location: str, payload: bytes) -> str:
        """Take a message in. The highest revision wins; what is malformed changes nothing.

        Returns what was wrong with it, or an empty text.
        """
        if location not in self._locations:
            return ""
        if not payload:
            return ""  # a cleared retained topic says nothing: giving up is said with managed = false
        if len(payload) > MAX_BYTES:
            return self._refuse(f"{len(payload)} bytes")
        try:
            expected = Expected.model_validate_json(payload)
        except (ValidationError, RecursionError) as error:
            first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "nested too deeply"}
            return self._refuse(f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip())
        known = self._known.get(location)
        if known and expected.revision <= known.expected.revision:
            return ""
        self._store(location, expected)
        return ""

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _read(self) -> dict[str, Expectation]:
        """Everything that was ever stored."""
        try:
            rows = self._database.execute("SELECT location, payload, received_unix_s FROM expected").fetchall()
            return {row[0]: Expectation(Expected.model_validate_json(row[1]), row[2]) for row in rows}
        except (sqlite3.DatabaseError, ValidationError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> KardusError:
        return KardusError(
            f"{self._path}: damaged ({type(error).__name__}): remove it; the broker gives its content again"
        )

    def _refuse(self, reason: str) -> str:
        self.refused += 1
        return reason

    def _store(self, location: str, expected: Expected) -> None:
        """Keep it in memory, and on disk where the disk takes it: the broker retains it and gives it again."""
        known = self._known.get(location)
        is_another = known is not None and known.expected.managed and known.expected.sku != expected.sku
        replaced_s = time.monotonic() if is_another else known.replaced_s if known else None
        expectation = Expectation(expected, time.time(), replaced_s)
        self._known[location] = expectation
        try:
            self._database.execute(
                "INSERT OR REPLACE INTO expected VALUES (?, ?, ?, ?)",
                (location, expected.revision, expected.model_dump_json(), expectation.received_unix_s),
            )
        except sqlite3.Error as error:
            log.error("%s: expected stock isn't stored (%s): check the disk's space and rights", self._path, error)  # noqa: TRY400
