"""Stores each event once, and its picture; what claims to be an event that is stored otherwise is set aside.

An event is known by its id, and by its agent, epoch and sequence: both must lead to the same event. A batch costs three
questions and one insertion, however many events it has.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Select, Text, and_, delete, func, select

from kardus.contract.messages import Envelope, LocationEvent
from kardus.contract.topics import ROOT, Topics
from warehouse.store.database import Database, EventRow
from warehouse.store.epochs import AgentEpoch, KnownEpoch
from warehouse.store.pictures import PictureStore
from warehouse.store.records import DeadLetter, EventMessage, PictureMessage
from warehouse.store.rowsets import given, given_later, rows_given
from warehouse.store.tables import agent_beside, dead_letters, events, pictures, present

_POSITION = {"agent": Text, "epoch": Text, "sequence": BigInteger}
Position = tuple[str, str, int]
"""Agent, epoch and sequence."""


@dataclass
class StoredBatch:
    """What came of a batch's events or pictures."""

    new: int = 0
    """Stored for the first time."""
    known: int = 0
    """Were stored before, and are the same; some may have been deleted since."""
    letters: list[DeadLetter] = field(default_factory=list)
    """What isn't what is stored under its name: to be set aside, and not acknowledged as that event."""
    covered: dict[AgentEpoch, list[tuple[int, int]]] = field(default_factory=dict)
    """The events that are stored now, new or known."""
    files: list[str] = field(default_factory=list)
    """Of pictures that nobody tells of any more: to be deleted after the transaction."""


@dataclass(frozen=True)
class _EventIdentity:
    """An event that is stored, or will be with this batch."""

    id: str
    agent: str
    payload: str


class _Batch:
    """Looks up at once what a batch's events are compared with, and collects what is to be added."""

    def __init__(
        self, connection: Connection, messages: Sequence[EventMessage], known: Mapping[AgentEpoch, KnownEpoch]
    ) -> None:
        positions = {_position(message) for message in messages}
        self._covered = {one for one in positions if one[:2] in known and known[one[:2]].has_stored(one[2])}
        rows = set(_by_id(connection, {message.envelope.id for message in messages}))
        rows |= set(_by_position(connection, self._covered)) if self._covered else set()
        self._by_id = {id_: _EventIdentity(id_, agent, payload) for id_, agent, _, _, payload in rows}
        self._by_position = {(agent, epoch, sequence): id_ for id_, agent, epoch, sequence, _ in rows}
        self._letters = _set_aside_before(connection, self._covered - self._by_position.keys())
        self.new: list[EventMessage] = []

    def problem_of(self, message: EventMessage) -> str | None:
        """Why an event can't be stored; empty: it is known; None: it is new, and is taken."""
        position, id_ = _position(message), message.envelope.id
        known = self._by_id.get(id_)
        if known is not None:
            if known.agent != message.agent:
                return f"id: agent '{known.agent}' has an event with this id"
            return (
                ""
                if _is_same(known.payload, message.payload)
                else "id: an event with this id and other content is stored"
            )
        if other := self._by_position.get(position):
            return f"sequence: event {other} is number {position[2]} of its epoch"
        if position in self._covered and position not in self._letters:
            return ""  # it was stored, and deleted since
        self._by_id[id_], self._by_position[position] = _EventIdentity(id_, message.agent, message.payload), id_
        self.new.append(message)
        return None


def insert_events(
    database: Database,
    connection: Connection,
    store: PictureStore,
    messages: Sequence[EventMessage],
    *,
    known: Mapping[AgentEpoch, KnownEpoch],
    now: datetime,
) -> StoredBatch:
    """Store the events that aren't known, in order; `known`: what `load_epochs` said of their sequences."""
    found = StoredBatch()
    if not messages:
        return found
    batch = _Batch(connection, messages, known)
    for message in messages:
        problem = batch.problem_of(message)
        if problem:
            found.letters.append(DeadLetter(message.topic, message.payload.encode(), problem, message.agent))
            continue
        found.known += problem is not None
        agent, epoch, sequence = _position(message)
        found.covered.setdefault((agent, epoch), []).append((sequence, sequence))
    found.new = len(batch.new)
    add_events(database, connection, [(m.agent, m.envelope, m.payload) for m in batch.new], now)
    if batch.new:
        _take_out_foreign(connection, store, batch.new, found)
    return found


def add_events(
    database: Database,
    connection: Connection,
    new: Sequence[tuple[str, Envelope[LocationEvent], str]],
    now: datetime,
) -> None:
    """Store events that aren't known: agent, message and the message's text of each."""
    if new:
        first = database.take_numbers(connection, len(new))
        database.add_events(connection, [_row(first + place, *one, now) for place, one in enumerate(new)])


def insert_pictures(connection: Connection, messages: Sequence[tuple[PictureMessage, str]]) -> StoredBatch:
    """Note pictures, which lie in their files already, unless there is one; they may come before their event."""
    found = StoredBatch()
    if not messages:
        return found
    wanted, now = {message.event for message, _ in messages}, present()
    owners = {
        id_: (agent, location)
        for id_, agent, location in connection.execute(
            select(events.c.id, events.c.agent, events.c.location).where(events.c.id.in_(wanted))
        )
    }
    files = select(pictures.c.event, pictures.c.file).where(pictures.c.event.in_(wanted))
    there = dict(connection.execute(files).all())
    rows = []
    for message, file in messages:
        said = (message.agent, message.location)
        if owners.get(message.event, said) != said:
            found.letters.append(_picture_letter(message, owners[message.event]))
            found.files.append(file)
        elif message.event in there:
            found.known += 1
            found.files += [file] if there[message.event] != file else []
        else:
            there[message.event] = file
            rows.append(
                {
                    "event": message.event,
                    "size": len(message.jpeg),
                    "agent": message.agent,
                    "location": message.location,
                    "file": file,
                    "received": now,
                }
            )
    found.new = len(rows)
    if rows:
        connection.execute(pictures.insert(), rows)
    return found


def _row(number: int, agent: str, envelope: Envelope[LocationEvent], payload: str, now: datetime) -> EventRow:
    data = envelope.data
    return (
        number,
        envelope.id,
        agent,
        data.epoch,
        data.sequence,
        data.location,
        data.verdict.value,
        data.captured,
        now,
        data.alert.id if data.alert else None,
        payload,
    )


def _position(message: EventMessage) -> Position:
    data = message.envelope.data
    return message.agent, data.epoch, data.sequence


_COLUMNS = (events.c.id, events.c.agent, events.c.epoch, events.c.sequence, events.c.payload)
_Found = Iterable[tuple[str, str, str, int, str]]


def _by_id(connection: Connection, ids: Collection[str]) -> _Found:
    found = connection.execute(_of_ids(connection.dialect.name), rows_given((id_,) for id_ in ids))
    return (tuple(row) for row in found.all())


@cache
def _of_ids(dialect: str) -> Select[Any]:
    wanted = given_later(dialect, {"id": Text})
    return select(*_COLUMNS).select_from(wanted).join(events, events.c.id == wanted.c.id)


def _by_position(connection: Connection, positions: Collection[Position]) -> _Found:
    wanted = given(connection, _POSITION, positions)
    at = and_(events.c.epoch == wanted.c.epoch, events.c.sequence == wanted.c.sequence, agent_beside == wanted.c.agent)
    return (tuple(row) for row in connection.execute(select(*_COLUMNS).select_from(wanted).join(events, at)))


def _set_aside_before(connection: Connection, positions: Collection[Position]) -> set[Position]:
    """Those that are covered by a dead letter: a message that should have been the event, and wasn't."""
    if not positions:
        return set()
    wanted = given(connection, _POSITION, positions)
    at = and_(dead_letters.c.epoch == wanted.c.epoch, dead_letters.c.sequence == wanted.c.sequence)
    rows = connection.execute(
        select(wanted.c.agent, wanted.c.epoch, wanted.c.sequence, dead_letters.c.topic).join(dead_letters, at)
    )
    return {(agent, epoch, sequence) for agent, epoch, sequence, topic in rows if agent in topic.split("/")}


def _is_same(stored: str, payload: str) -> bool:
    """Whether two messages say the same, however they are written."""
    return stored == payload or json.loads(stored) == json.loads(payload)


def _take_out_foreign(
    connection: Connection, store: PictureStore, new: Sequence[EventMessage], found: StoredBatch
) -> None:
    """Take out the row of a picture that came before its event, from another agent or location."""
    owners = {message.envelope.id: message for message in new}
    rows = connection.execute(_pictures_of(connection.dialect.name), rows_given((id_,) for id_ in owners))
    for event, agent, location, file in rows.fetchall():
        message = owners[event]
        owner = (message.agent, message.envelope.data.location)
        if (agent, location) != owner:
            site = message.topic.removeprefix(f"{ROOT}/").partition("/agents/")[0]
            topic = Topics(site, agent).evidence(location, event)
            found.letters.append(
                _picture_letter(PictureMessage(topic, agent, location, event, store.read(file) or b""), owner)
            )
            found.files.append(file)
            connection.execute(delete(pictures).where(pictures.c.event == event))


@cache
def _pictures_of(dialect: str) -> Select[Any]:
    wanted = given_later(dialect, {"id": Text})
    chosen = select(pictures.c.event, pictures.c.agent, pictures.c.location, pictures.c.file).select_from(wanted)
    return chosen.join(pictures, pictures.c.event == wanted.c.id)


def _picture_letter(picture: PictureMessage, owner: tuple[str, str]) -> DeadLetter:
    reason = f"the picture's event is of agent '{owner[0]}', location '{owner[1]}'"
    return DeadLetter(picture.topic, picture.jpeg, reason, picture.agent)


def last_event_number(connection: Connection) -> int:
    """The highest number of a stored event; 0: none is stored."""
    return int(connection.execute(select(func.coalesce(func.max(events.c.number), 0))).scalar_one())
