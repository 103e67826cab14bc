"""Reads the database: for integrators and for the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic_core import ValidationError
from sqlalchemy import Executable, and_, func, or_, outerjoin, select

from kardus.contract.base import Record
from kardus.contract.messages import AgentStatus, CameraHealth, Coverage, Envelope, LocationEvent, LocationState
from kardus.contract.ranges import Range, count
from kardus.support.errors import DataError
from warehouse.store.address import DatabaseAddress
from warehouse.store.database import LAST_NUMBER, Database, StoreError
from warehouse.store.epoch_order import latest_first
from warehouse.store.epochs import LOST, missing_ranges
from warehouse.store.opening import open_database
from warehouse.store.pictures import PictureStore
from warehouse.store.places import pictures_of
from warehouse.store.reported_sequences import highest_believed, reported_sequences
from warehouse.store.tables import dead_letters, epochs, events, latest, meta, pictures, ranges, webhooks

_Stored = TypeVar("_Stored", bound=Record)


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


class StoreReader:
    """Reads the database of `kardus-wms receive`, beside it or in its process. For any thread."""

    def __init__(self, database: Database, pictures: str = "") -> None:
        """Read an open database; `StoreReader.open` opens one. `pictures`: where they are; empty: as it is noted."""
        self._database = database
        self._pictures = pictures

    @classmethod
    def open(cls, where: DatabaseAddress | Path | str) -> Self:
        """Open a database.

        Raises:
            DataError: there is none, or it isn't a receiver's.
        """
        return cls(open_database(where, make=False))

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __enter__(self) -> Self:
        """The reader: it is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the database."""
        self.close()

    def events(self, after: int = 0, limit: int = 1000) -> list[StoredEvent]:
        """The events whose number is above `after`, in order, at most `limit`.

        A reader that remembers the number of the last event it processed misses none and sees none twice.

        Raises:
            DataError: the database can't be read; or no event has had the number `after`, since an older backup was
                restored, and the next events would have numbers that were processed before.
        """
        chosen = select(events.c.number, events.c.agent, events.c.received, events.c.payload)
        rows = self._rows(chosen.where(events.c.number > after).order_by(events.c.number).limit(limit))
        if not rows and after:
            self._require_given(after)
        return [
            StoredEvent(number, agent, received, self._read(_EVENT, payload, f"event {number}"))
            for number, agent, received, payload in rows
        ]

    def _read(self, model: type[_Stored], payload: str, what: str) -> _Stored:
        try:
            return model.model_validate_json(payload)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            raise DataError(
                f"{self._database.address}: {what} can't be read ({where}: {first['msg']}): "
                "was it stored by a newer version? Update this one"
            ) from error

    def _require_given(self, after: int) -> None:
        last = int(self._rows(select(meta.c.value).where(meta.c.key == LAST_NUMBER))[0][0])
        if after > last:
            raise DataError(
                f"{self._database.address}: the last event is number {last}, and {after} was asked for: "
                f"an older backup was restored: go on with {last}"
            )

    def site_state(self) -> SiteState:
        """The latest state of locations, agents, cameras and coverage.

        Raises:
            DataError: the database can't be read.
        """
        states, agents, cameras, coverage = {}, {}, {}, {}
        rows = self._rows(select(latest.c.agent, latest.c.kind, latest.c.subject, latest.c.payload))
        for agent, kind, subject, payload in rows:
            what = f"the {kind} of agent {agent}" + (f", {subject}" if subject else "")
            match kind:
                case "state":
                    states[agent, subject] = self._read(Envelope[LocationState], payload, what).data
                case "status":
                    agents[agent] = self._read(Envelope[AgentStatus], payload, what).data
                case "health":
                    cameras[agent, subject] = self._read(Envelope[CameraHealth], payload, what).data
                case _:
                    coverage[agent] = self._read(Envelope[Coverage], payload, what).data
        return SiteState(states, agents, cameras, coverage)

    def knows(self, agent: str) -> bool:
        """Whether there is something of an agent that wasn't forgotten.

        Raises:
            DataError: the database can't be read.
        """
        counted = select(epochs.c.agent).where(epochs.c.agent == agent, epochs.c.forgotten == 0).limit(1)
        return bool(self._rows(select(latest.c.agent).where(latest.c.agent == agent).limit(1)) or self._rows(counted))

    def picture(self, event: str) -> bytes | None:
        """The crop that an event rests on, as JPEG; None: it isn't stored (yet, or any more).

        Raises:
            DataError: it can't be read.
        """
        return self._picture(self._rows(select(pictures.c.file).where(pictures.c.event == event)))

    def picture_of_alert(self, alert: str) -> bytes | None:
        """The latest crop of an alert, given by its id: of the last event by epoch and sequence that has one.

        Raises:
            DataError: it can't be read.
        """
        known = outerjoin(events, epochs, and_(epochs.c.agent == events.c.agent, epochs.c.epoch == events.c.epoch))
        shown = known.join(pictures, pictures.c.event == events.c.id)
        chosen = select(pictures.c.file).select_from(shown).where(events.c.alert == alert)
        return self._picture(self._rows(chosen.order_by(*latest_first()).limit(1)))

    def missing_events(self) -> list[MissingEvents]:
        """Missing and lost events, by agent and outbox; outboxes without any, and forgotten ones, are left out.

        Raises:
            DataError: the database can't be read.
        """
        losing = select(ranges.c.epoch).where(ranges.c.kind == LOST)
        lacking = (
            select(epochs.c.number, epochs.c.agent, epochs.c.epoch, epochs.c.highest, epochs.c.contiguous_to)
            .where(epochs.c.forgotten == 0)
            .where(or_(epochs.c.contiguous_to < epochs.c.highest, epochs.c.number.in_(losing)))
            .order_by(epochs.c.number)
        )  # of a finished epoch nothing else is read
        found = []
        try:
            with self._database.reading() as connection:
                rows = connection.execute(lacking).fetchall()
                reported = reported_sequences(connection, {row.agent for row in rows})
                for number, agent, epoch, highest, reached in rows:
                    believed = highest_believed(highest, reached, reported.get((agent, epoch)))
                    missing = missing_ranges(connection, number, believed)
                    of_epoch = (ranges.c.epoch == number, ranges.c.kind == LOST)
                    lost = connection.execute(select(ranges.c.first, ranges.c.last).where(*of_epoch))
                    counted = count((a, min(b, believed)) for a, b in lost if a <= believed)
                    found.append(MissingEvents(agent, epoch, tuple(missing), counted))
        except StoreError as error:
            raise self._unreadable(error) from error
        return [outbox for outbox in found if outbox.missing or outbox.lost]

    def pending_webhooks(self) -> int:
        """How many alerts haven't been delivered to the webhook yet.

        Raises:
            DataError: the database can't be read.
        """
        return int(self._rows(select(func.count()).select_from(webhooks))[0][0])

    def site(self) -> str:
        """The site whose events these are.

        Raises:
            DataError: the database can't be read, or nobody has received into it yet.
        """
        found = self._rows(select(meta.c.value).where(meta.c.key == "site"))
        if not found:
            raise DataError(f"{self._database.address}: holds nothing yet: start `kardus-wms receive` with it first")
        return str(found[0][0])

    def dead_letter_count(self) -> int:
        """How many messages didn't fit the contract.

        Raises:
            DataError: the database can't be read.
        """
        return int(self._rows(select(func.count()).select_from(dead_letters))[0][0])

    def _picture(self, rows: Sequence[Any]) -> bytes | None:
        if not rows:
            return None
        try:
            return PictureStore(self._pictures or pictures_of(self._database)).read(rows[0][0])
        except StoreError as error:
            raise self._unreadable(error) from error

    def _rows(self, statement: Executable) -> Sequence[Any]:
        try:
            with self._database.reading() as connection:
                return connection.execute(statement).fetchall()
        except StoreError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: StoreError) -> DataError:
        return DataError(f"{self._database.address}: can't be read ({error}): try again, or check the disk")


_EVENT = Envelope[LocationEvent]
