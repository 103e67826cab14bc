"""Reads the receiver's database: for integrators and for the report."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from kardus.contract.messages import AgentStatus, CameraHealth, Coverage, Envelope, LocationEvent, LocationState
from kardus.contract.ranges import Range, count
from kardus.support.errors import DataError
from warehouse.receiving.database import Database
from warehouse.receiving.epochs import missing_ranges


@dataclass(frozen=True)
class StoredEvent:
    """An event with its number in the database: events are numbered as they were stored, from 1."""

    number: int
    agent: str
    received: datetime
    envelope: Envelope[LocationEvent]

    @property
    def event(self) -> LocationEvent:
        """The event as the agent published it."""
        return self.envelope.data


@dataclass(frozen=True)
class SiteState:
    """The latest state of a site: locations and cameras by (agent, name), agents and their coverage by agent."""

    states: Mapping[tuple[str, str], LocationState]
    agents: Mapping[str, AgentStatus]
    cameras: Mapping[tuple[str, str], CameraHealth]
    coverage: Mapping[str, Coverage]


@dataclass(frozen=True)
class MissingEvents:
    """Events of one agent's outbox that aren't stored."""

    agent: str
    epoch: str
    missing: tuple[Range, ...]
    """Sequences that may still come: the agent is asked to resend them."""
    lost: int
    """How many events the agent has announced as lost."""


class DatabaseReader:
    """Reads the database of `kardus-wms receive`, beside it or in its process. For any thread."""

    def __init__(self, database: Database) -> None:
        """Read an open database; `DatabaseReader.open` opens a file."""
        self._database = database

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file.

        Raises:
            DataError: there is none, or it isn't a receiver's.
        """
        return cls(Database(path, make=False))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        """Already open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()

    def events(self, after: int = 0, limit: int = 1000) -> list[StoredEvent]:
        """The events whose number is above `after`, in order, at most `limit`.

        A reader that remembers the number of the last event it processed misses none and sees none twice.

        Raises:
            DataError: the file can't be read.
        """
        rows = self._rows(
            "SELECT number, agent, received, payload FROM events WHERE number > ? ORDER BY number LIMIT ?", after, limit
        )
        return [
            StoredEvent(row[0], row[1], datetime.fromisoformat(row[2]), _EVENT.model_validate_json(row[3]))
            for row in rows
        ]

    def site_state(self) -> SiteState:
        """The latest state of locations, agents, cameras and coverage.

        Raises:
            DataError: the file can't be read.
        """
        states, agents, cameras, coverage = {}, {}, {}, {}
        for agent, kind, subject, payload in self._rows("SELECT agent, kind, subject, payload FROM latest"):
            match kind:
                case "state":
                    states[agent, subject] = Envelope[LocationState].model_validate_json(payload).data
                case "status":
                    agents[agent] = Envelope[AgentStatus].model_validate_json(payload).data
                case "health":
                    cameras[agent, subject] = Envelope[CameraHealth].model_validate_json(payload).data
                case _:
                    coverage[agent] = Envelope[Coverage].model_validate_json(payload).data
        return SiteState(states, agents, cameras, coverage)

    def knows(self, agent: str) -> bool:
        """Whether there is something of an agent that wasn't forgotten.

        Raises:
            DataError: the file can't be read.
        """
        epochs = "SELECT 1 FROM epochs WHERE agent = ?1 AND forgotten = 0"
        return bool(self._rows(f"SELECT 1 FROM latest WHERE agent = ?1 UNION {epochs}", agent))  # noqa: S608 - above

    def picture(self, event: str) -> bytes | None:
        """The crop that an event rests on, as JPEG; None: it isn't stored (yet, or any more).

        Raises:
            DataError: the file can't be read.
        """
        rows = self._rows("SELECT jpeg FROM pictures WHERE event = ?", event)
        return bytes(rows[0][0]) if rows else None

    def picture_of_alert(self, alert: str) -> bytes | None:
        """The latest crop of an alert, given by its id.

        Raises:
            DataError: the file can't be read.
        """
        rows = self._rows(
            "SELECT jpeg FROM pictures JOIN events ON events.id = pictures.event "
            "WHERE events.alert = ? ORDER BY events.number DESC LIMIT 1",
            alert,
        )
        return bytes(rows[0][0]) if rows else None

    def missing_events(self) -> list[MissingEvents]:
        """Missing and lost events, by agent and outbox; outboxes without any, and forgotten ones, are left out.

        Raises:
            DataError: the file can't be read.
        """
        try:
            with self._database.reading() as connection:
                found = [_missing_events(connection, *row) for row in connection.execute(_LACKING).fetchall()]
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        return [outbox for outbox in found if outbox.missing or outbox.lost]

    def pending_webhooks(self) -> int:
        """How many alerts haven't been delivered to the webhook yet.

        Raises:
            DataError: the file can't be read.
        """
        return int(self._rows("SELECT count(*) FROM webhooks")[0][0])

    def site(self) -> str:
        """The site whose events these are.

        Raises:
            DataError: the file can't be read.
        """
        return str(self._rows("SELECT value FROM meta WHERE key = 'site'")[0][0])

    def dead_letter_count(self) -> int:
        """How many messages didn't fit the contract.

        Raises:
            DataError: the file can't be read.
        """
        return int(self._rows("SELECT count(*) FROM dead_letters")[0][0])

    def _rows(self, statement: str, *values: str | int) -> list[Any]:
        try:
            with self._database.reading() as connection:
                return connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: sqlite3.Error) -> DataError:
        return DataError(f"{self._database.path}: can't be read ({error}): try again, or check the disk")


_EVENT = Envelope[LocationEvent]
_LACKING = """
SELECT number, agent, epoch, highest FROM epochs WHERE forgotten = 0 AND
(contiguous_to < highest OR number IN (SELECT epoch FROM ranges WHERE kind = 'lost')) ORDER BY number"""
"""Epochs of which something is missing or lost: of a finished one nothing else is read."""


def _missing_events(connection: sqlite3.Connection, number: int, agent: str, epoch: str, highest: int) -> MissingEvents:
    missing = missing_ranges(connection, number, highest)
    lost = connection.execute("SELECT first, last FROM ranges WHERE epoch = ? AND kind = 'lost'", (number,)).fetchall()
    return MissingEvents(agent, epoch, tuple(missing), count(lost))
