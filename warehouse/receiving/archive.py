"""What the receiver's database holds, for whoever reads it: integrators, the report."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from kardus.contract.messages import AgentStatus, CameraHealth, Coverage, Envelope, LocationEvent, LocationState
from kardus.support.errors import DataError
from warehouse.receiving.database import Database
from warehouse.receiving.ranges import Range, count, gaps
from warehouse.receiving.store import covered_of


@dataclass(frozen=True)
class StoredEvent:
    """An event with its number in the database: events are numbered as they were stored, from 1."""

    number: int
    agent: str
    received: datetime
    envelope: Envelope[LocationEvent]

    @property
    def event(self) -> LocationEvent:
        """What the agent told."""
        return self.envelope.data


@dataclass(frozen=True)
class Latest:
    """The last word on everything: locations and cameras by agent and name, agents and their coverage by agent."""

    states: Mapping[tuple[str, str], LocationState]
    agents: Mapping[str, AgentStatus]
    cameras: Mapping[tuple[str, str], CameraHealth]
    coverage: Mapping[str, Coverage]


@dataclass(frozen=True)
class Lack:
    """What lacks of an agent's outbox."""

    agent: str
    epoch: str
    missing: tuple[Range, ...]
    """May still come: the agent is asked for it."""
    lost: int
    """How many events the agent has announced as lost."""


class Archive:
    """Reads the database of `kardus-wms receive`, beside it or in its process. For any thread."""

    def __init__(self, database: Database) -> None:
        """Read an open database; `Archive.open` opens a file."""
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

        Whoever keeps the number of the last event that he has dealt with misses none and sees none twice.

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

    def last_number(self) -> int:
        """The number of the last event; 0: there is none.

        Raises:
            DataError: the file can't be read.
        """
        return int(self._rows("SELECT coalesce(max(number), 0) FROM events")[0][0])

    def latest(self) -> Latest:
        """The last word on everything.

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
        return Latest(states, agents, cameras, coverage)

    def picture(self, event: str) -> bytes | None:
        """The crop that an event rests on, as JPEG; None: it isn't here (yet, or any more).

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

    def lacks(self) -> list[Lack]:
        """What lacks, by agent and outbox; none where nothing does.

        Raises:
            DataError: the file can't be read.
        """
        try:
            with self._database.reading() as connection:
                rows = connection.execute("SELECT number, agent, epoch, highest FROM epochs ORDER BY number").fetchall()
                found = [_lack(connection, *row) for row in rows]
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        return [lack for lack in found if lack.missing or lack.lost]

    def webhooks_waiting(self) -> int:
        """How many alerts the webhook hasn't taken yet.

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

    def dead_letters(self) -> int:
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


def _lack(connection: sqlite3.Connection, number: int, agent: str, epoch: str, highest: int) -> Lack:
    missing = gaps(covered_of(connection, number), highest)
    lost = connection.execute("SELECT first, last FROM ranges WHERE epoch = ? AND kind = 'lost'", (number,)).fetchall()
    return Lack(agent, epoch, tuple(missing), count(lost))
