"""What the WMS expects, kept on disk, so that a restart without a network still knows it."""

import contextlib
import logging
import sqlite3
from pathlib import Path

from pydantic import ValidationError

from edge_agent.records import Expectation
from kardus.contract.manifest import EMPTY_CLASS, class_name
from kardus.contract.messages import Expected
from kardus.support.clock import SYSTEM_CLOCK, Clock
from kardus.support.control_characters import escaped
from kardus.support.database_copy import problem_in_copy
from kardus.support.errors import KardusError
from kardus.support.files import rename_damaged
from kardus.support.spelling import composed

MAX_BYTES = 65_536
IN_MEMORY = Path(":memory:")
"""In place of a file: nothing is kept."""
log = logging.getLogger("kardus.expected")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS expected (
    location TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    payload TEXT NOT NULL,
    received_unix_s REAL NOT NULL
) STRICT
"""


class _DamagedError(Exception):
    """What the database holds can't be read."""


class ExpectedStore:
    """The expected stock of the agent's own locations. Owned by one thread."""

    def __init__(self, path: Path, locations: frozenset[str], clock: Clock = SYSTEM_CLOCK) -> None:
        """Open or make the database, and read what it knows of the locations.

        One that is damaged is set aside: the broker retains what is expected, and gives it again.

        Raises:
            KardusError: the database cannot be opened.
        """
        self._path = path
        self._clock = clock
        try:
            self._database = _open(path)
        except sqlite3.OperationalError as error:
            raise KardusError(_unusable(path, error)) from error
        except sqlite3.DatabaseError as error:
            self._database = _anew(path, error)
        try:
            known = self._read()
        except _DamagedError as error:
            self._database.close()
            self._database, known = _anew(path, error), {}
        self._locations = locations
        self._known = {location: known[location] for location in known if location in locations}
        self.managed: dict[str, Expectation] = {}
        """What the WMS expects, by location; without those that it has given up. One and the same for good."""
        self._note_managed()
        self._older: set[str] = set()
        """Locations of which somebody was told that an older word is passed over."""
        self.refused = 0
        """How many messages were refused."""

    def set_locations(self, locations: frozenset[str]) -> None:
        """Watch other locations; what was stored of them before is known again."""
        try:
            stored = self._read()
        except _DamagedError as error:
            log.error("%s: %s: what is expected is known from the broker alone", self._path, error)  # noqa: TRY400
            stored = {}
        self._locations = locations
        self._known = {
            location: known
            for location in locations
            if (known := self._known.get(location) or stored.get(location)) is not None
        }
        self._note_managed()

    def get(self, location: str) -> Expectation | None:
        """What the WMS expects; None where it has said nothing, or has given the location up."""
        return self.managed.get(location)

    @property
    def everything(self) -> dict[str, Expected]:
        """The last word of the WMS on each location, also that it has given it up."""
        return {location: known.expected for location, known in self._known.items()}

    def latest_message(self, location: str) -> Expected | None:
        """The last word of the WMS on a location, also that it has given it up."""
        known = self._known.get(location)
        return known.expected if known else None

    def apply(self, location: str, payload: bytes) -> str:
        """Take a message in. The highest revision wins; what is malformed changes nothing.

        Returns what was wrong with it, or an empty text.
        """
        if location not in self._locations or not payload:
            return ""  # a cleared retained topic says nothing: giving up is said with managed = false
        if len(payload) > MAX_BYTES:
            return self._refuse(f"{len(payload)} bytes")
        try:
            expected = _read_expected(payload)
        except (ValidationError, RecursionError) as error:
            first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": "nested too deeply"}
            return self._refuse(f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip())
        if problem := _disagrees(location, expected):
            return self._refuse(problem)
        known = self._known.get(location)
        if known and expected.revision <= known.expected.revision:
            self._note_older(location, expected, known.expected)
            return ""
        self._older.discard(location)
        self._store(location, expected)
        return ""

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _read(self) -> dict[str, Expectation]:
        """Everything that was ever stored."""
        return {location: Expectation(stored, self._since(at)) for location, stored, at in _stored(self._database)}

    def _since(self, received_unix_s: float) -> float:
        """The calendar's time on the clock that never jumps; now, where the calendar was set back since."""
        return self._clock.monotonic_s() - max(0.0, self._clock.now().timestamp() - received_unix_s)

    def _note_managed(self) -> None:
        self.managed.clear()
        self.managed |= {location: known for location, known in self._known.items() if known.expected.managed}

    def _refuse(self, reason: str) -> str:
        self.refused += 1
        return reason

    def _note_older(self, location: str, expected: Expected, known: Expected) -> None:
        """Once a location: it may be a message that was late, or the WMS side's clock was set back."""
        if (expected.sku == known.sku and expected.managed == known.managed) or location in self._older:
            return
        self._older.add(location)
        log.warning(
            "expected stock of %s: revision %d says otherwise than %d, and is passed over: the higher one holds; if it "
            "is the WMS's last word, publish it with a higher revision",
            escaped(location),
            expected.revision,
            known.revision,
        )

    def _store(self, location: str, expected: Expected) -> None:
        """Keep it in memory, and on disk where the disk takes it: the broker retains it and gives it again."""
        known = self._known.get(location)
        is_another = known is not None and known.expected.managed and known.expected.sku != expected.sku
        now_s = self._clock.monotonic_s()
        replaced_s = now_s if is_another else known.replaced_s if known else None
        self._known[location] = self.managed[location] = Expectation(expected, now_s, replaced_s)
        if not expected.managed:
            del self.managed[location]
        try:
            self._database.execute(
                "INSERT OR REPLACE INTO expected VALUES (?, ?, ?, ?)",
                (location, expected.revision, expected.model_dump_json(), self._clock.now().timestamp()),
            )
        except sqlite3.Error as error:
            log.error("%s: expected stock isn't stored (%s): check the disk's space and rights", self._path, error)  # noqa: TRY400


def check_expected(path: Path) -> str:
    """What is wrong with such a file, in words; empty if nothing is, or if there is none yet. Changes nothing."""

    def look(copy: Path) -> str:
        try:
            with contextlib.closing(_open(copy)) as database:
                _stored(database)
        except sqlite3.OperationalError as error:
            return _unusable(path, error)
        except (sqlite3.DatabaseError, _DamagedError) as error:
            what = str(error) if isinstance(error, _DamagedError) else f"damaged ({error})"
            return f"{path}: {what}: the agent sets it aside at its next start; the broker gives its content again"
        return ""

    return problem_in_copy(path, look)


def _unusable(path: Path, error: sqlite3.OperationalError) -> str:
    return f"{path}: cannot be opened ({error}): check the folder's rights and space"


def _stored(database: sqlite3.Connection) -> list[tuple[str, Expected, float]]:
    """Locations, what is expected there, and since when it is known (seconds since 1970)."""
    try:
        rows = database.execute("SELECT location, payload, received_unix_s FROM expected ORDER BY revision").fetchall()
        return [(composed(row[0]), _read_expected(row[1]), row[2]) for row in rows]
    except (sqlite3.DatabaseError, ValidationError) as error:
        raise _DamagedError(f"damaged ({type(error).__name__})") from error


def _open(path: Path) -> sqlite3.Connection:
    with contextlib.ExitStack() as failed:
        database = failed.enter_context(contextlib.closing(sqlite3.connect(path, isolation_level=None)))
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute(_SCHEMA)
        failed.pop_all()  # it is in order: leave it open
    return database


def _anew(path: Path, error: Exception) -> sqlite3.Connection:
    """A new database, beside the damaged one."""
    try:
        aside = rename_damaged(path)
        log.error("%s: %s: it is kept as %s; the broker gives its content again", path, error, aside.name)
        return _open(path)
    except (OSError, sqlite3.Error) as failure:
        raise KardusError(f"{path}: damaged, and can't be replaced ({failure}): check the folder's rights") from failure


def _disagrees(location: str, expected: Expected) -> str:
    """What is wrong with a message in itself; empty: nothing."""
    if expected.location not in (None, location):
        return f"location '{expected.location}' stands in it, '{location}' in its topic"
    if expected.managed and expected.quantity != 0 and "sku" not in expected.model_fields_set:
        return "sku isn't said: write null where the location must be empty"  # it may be misspelt
    return ""


def _read_expected(payload: bytes | str) -> Expected:
    """0 of a product, or one that is called empty: the location must be empty, whoever published it."""
    expected = Expected.model_validate_json(payload)
    is_empty = expected.quantity == 0 or class_name(expected.sku or "") == EMPTY_CLASS
    return expected.model_copy(update={"sku": None}) if is_empty else expected
