"""Stores each event once, and its picture; what claims to be an event that is stored otherwise is set aside.

An event is known by its id, and by its agent, epoch and sequence: both must lead to the same event.
"""

import enum
import json
import sqlite3

from kardus.contract.messages import Envelope, LocationEvent
from kardus.contract.topics import ROOT, Topics
from warehouse.receiving.epochs import is_stored
from warehouse.receiving.parsing import DeadLetter, EventMessage, PictureMessage


class Outcome(enum.Enum):
    """What came of a message."""

    NEW = "stored for the first time"
    KNOWN = "was stored before, and is the same; it may have been deleted since"
    CONFLICT = "isn't what is stored under its name: set aside, and not acknowledged as that event"


Stored = tuple[Outcome, list[DeadLetter]]
"""What came of a message, and what has to be set aside."""


def insert_event(connection: sqlite3.Connection, event: EventMessage, now: str) -> Stored:
    """Store an event unless it is known."""
    known = connection.execute("SELECT agent, payload FROM events WHERE id = ?", (event.envelope.id,)).fetchone()
    if known is not None:
        agent, payload = known
        if agent != event.agent:
            return _set_aside(event, f"id: agent '{agent}' has an event with this id")
        if not _is_same(payload, event.payload):
            return _set_aside(event, "id: an event with this id and other content is stored")
        return Outcome.KNOWN, []
    if problem := _other_at_its_sequence(connection, event):
        return _set_aside(event, problem)
    if _was_deleted(connection, event):
        return Outcome.KNOWN, []
    add_event(connection, event.agent, event.envelope, event.payload, now)
    return Outcome.NEW, _foreign_pictures(connection, event)


def add_event(
    connection: sqlite3.Connection, agent: str, envelope: Envelope[LocationEvent], payload: str, now: str
) -> None:
    """Store an event that isn't known."""
    data = envelope.data
    connection.execute(
        "INSERT INTO events (id, agent, epoch, sequence, location, verdict, captured, received, alert, payload) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            envelope.id,
            agent,
            data.epoch,
            data.sequence,
            data.location,
            data.verdict.value,
            data.captured.isoformat(timespec="milliseconds"),
            now,
            data.alert.id if data.alert else None,
            payload,
        ),
    )


def insert_picture(connection: sqlite3.Connection, picture: PictureMessage) -> Stored:
    """Store the picture of an event unless there is one; it may come before its event."""
    owner = connection.execute("SELECT agent, location FROM events WHERE id = ?", (picture.event,)).fetchone()
    present = (picture.agent, picture.location)
    if owner is not None and owner != present:
        return Outcome.CONFLICT, [_picture_letter(picture, owner)]
    done = connection.execute(
        "INSERT INTO pictures (event, size, jpeg, agent, location) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (event) DO NOTHING",
        (picture.event, len(picture.jpeg), picture.jpeg, *present),
    )
    return (Outcome.NEW if done.rowcount == 1 else Outcome.KNOWN), []


def _other_at_its_sequence(connection: sqlite3.Connection, event: EventMessage) -> str:
    data = event.envelope.data
    row = connection.execute(
        "SELECT id FROM events WHERE epoch = ? AND sequence = ? AND agent = ?", (data.epoch, data.sequence, event.agent)
    ).fetchone()
    return f"sequence: event {row[0]} is number {data.sequence} of its epoch" if row else ""


def _was_deleted(connection: sqlite3.Connection, event: EventMessage) -> bool:
    """Whether it was stored, and deleted since: what isn't there any more, and wasn't set aside either."""
    data = event.envelope.data
    if not is_stored(connection, (event.agent, data.epoch), data.sequence):
        return False
    letters = connection.execute(
        "SELECT topic FROM dead_letters WHERE epoch = ? AND sequence = ?", (data.epoch, data.sequence)
    ).fetchall()
    return not any(event.agent in topic.split("/") for (topic,) in letters)


def _is_same(stored: str, payload: str) -> bool:
    """Whether two messages say the same, however they are written."""
    return stored == payload or json.loads(stored) == json.loads(payload)


def _set_aside(event: EventMessage, reason: str) -> Stored:
    return Outcome.CONFLICT, [DeadLetter(event.topic, event.payload.encode(), reason, event.agent)]


def _foreign_pictures(connection: sqlite3.Connection, event: EventMessage) -> list[DeadLetter]:
    """Take out a picture that came before its event, from another agent or location."""
    owner = (event.agent, event.envelope.data.location)
    rows = connection.execute(
        "DELETE FROM pictures WHERE event = ? AND (agent <> ? OR location <> ?) RETURNING agent, location, event, jpeg",
        (event.envelope.id, *owner),
    ).fetchall()
    site = event.topic.removeprefix(f"{ROOT}/").partition("/agents/")[0]
    found = [PictureMessage(Topics(site, row[0]).evidence(row[1], row[2]), *row) for row in rows]
    return [_picture_letter(picture, owner) for picture in found]


def _picture_letter(picture: PictureMessage, owner: tuple[str, str]) -> DeadLetter:
    reason = f"the picture's event is of agent '{owner[0]}', location '{owner[1]}'"
    return DeadLetter(picture.topic, picture.jpeg, reason, picture.agent)
