"""Writes agents' messages into the database, one transaction per batch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, delete, func, select

from kardus.contract.ranges import Range
from kardus.contract.receipts import Ack
from warehouse.store.acks import acks
from warehouse.store.alerts import note_alerts
from warehouse.store.closing import forget_stored
from warehouse.store.database import Database, require_site
from warehouse.store.epochs import (
    LOST,
    STORED,
    AgentEpoch,
    KnownEpoch,
    add_covered,
    load_epochs,
    present_epochs,
    span_of,
)
from warehouse.store.events import StoredBatch, insert_events, insert_pictures
from warehouse.store.labels import IS_LABELLED
from warehouse.store.latest import replace_retained
from warehouse.store.pictures import PictureStore
from warehouse.store.records import (
    DeadLetter,
    EventMessage,
    LostMessage,
    ParsedMessage,
    PictureMessage,
    RetainedMessage,
)
from warehouse.store.tables import dead_letters, events, pictures, present

MAX_DEAD_LETTERS = 10_000
"""The oldest are deleted first; the first dead letter of an event doesn't count and is never deleted."""
MAX_DEAD_LETTER_BYTES = 65_536
"""A longer message is cut, unless it is an event."""
MAX_REASON = 500
"""Characters of why a message is set aside: it cites the message."""
PRUNE_EVERY_PICTURES = 50
"""How often the size limit is applied."""
Kind = TypeVar("Kind", bound=ParsedMessage)


@dataclass
class WriteResult:
    """The outcome of one transaction."""

    events: int = 0
    """Stored for the first time."""
    duplicates: int = 0
    """Events that were stored before, some of them deleted since."""
    pictures: int = 0
    dead_letters: int = 0
    covered: set[AgentEpoch] = field(default_factory=set)
    """The epochs to acknowledge."""


class StoreWriter:
    """Writes the database of one site."""

    def __init__(self, database: Database, site: str, pictures_mb: int, store: PictureStore) -> None:
        """`pictures_mb`: how much of the disk pictures may take; the oldest go first.

        Raises:
            UsageError: the database holds another site's events.
            StoreError: it can't be written.
        """
        self._database = database
        self._store = store
        self._pictures_bytes = pictures_mb * 1_000_000
        self._since_pruning = PRUNE_EVERY_PICTURES
        require_site(database, site)

    def write(self, batch: Iterable[ParsedMessage]) -> WriteResult:
        """Store a batch; durable when this returns.

        Raises:
            StoreError: it can't be stored; nothing of it is.
        """
        items = list(batch)
        written, now = WriteResult(), present()
        files = {item: self._add_picture(item) for item in _of(items, PictureMessage)}
        left: list[str] = []
        with self._database.writing() as connection:
            for part in _parts(items):
                left += self._write_part(connection, part, files, now, written)
            left += self._prune(connection, written)
        self._store.delete(left)
        return written

    def newest(self) -> datetime | None:
        """When the last event was received; None: there is none.

        Raises:
            StoreError: the database can't be read.
        """
        with self._database.reading() as connection:
            return connection.execute(select(events.c.received).order_by(events.c.number.desc()).limit(1)).scalar()

    def acks(self, epochs: Sequence[AgentEpoch] | None = None) -> dict[AgentEpoch, Ack]:
        """The `ack` messages of these epochs; None: of every agent's last epoch. In the order they were first seen.

        Raises:
            StoreError: the database can't be read.
        """
        with self._database.reading() as connection:
            return acks(connection, epochs)

    def present_epochs(self) -> list[AgentEpoch]:
        """The epoch that each agent counts in now, in the order they were first seen; forgotten agents have none.

        Raises:
            StoreError: the database can't be read.
        """
        with self._database.reading() as connection:
            return present_epochs(connection)

    def _add_picture(self, picture: PictureMessage) -> str:
        return self._store.add(picture.agent, picture.location, picture.event, picture.jpeg)

    def _write_part(
        self,
        connection: Connection,
        part: Sequence[ParsedMessage],
        files: dict[PictureMessage, str],
        now: datetime,
        written: WriteResult,
    ) -> list[str]:
        """Write some messages; the files of pictures that nobody tells of any more."""
        letters, told_of = _of(part, DeadLetter), _of(part, EventMessage)
        known = load_epochs(connection, _spans(told_of, letters))
        told = insert_events(self._database, connection, self._store, told_of, known=known, now=now)
        shown = insert_pictures(connection, [(item, files[item]) for item in _of(part, PictureMessage)])
        _insert_dead_letters(connection, [*_first_of_each(letters, known), *told.letters, *shown.letters], now)
        for letter in letters:
            if letter.epoch is not None and letter.sequence is not None:
                place = (letter.sequence, letter.sequence)
                told.covered.setdefault((letter.agent, letter.epoch), []).append(place)
        add_covered(connection, told.covered, STORED, known)
        note_alerts(connection, [message.envelope.id for message in told_of if message.envelope.data.alert])
        lost = _of(part, LostMessage)
        for message in lost:
            add_covered(connection, {(message.agent, message.lost.epoch): message.lost.ranges}, LOST)
        replace_retained(connection, _of(part, RetainedMessage), now)
        for gone in _of(part, RetainedMessage):
            if _forgets(gone):
                forget_stored(self._database, connection, gone.agent)
        written.covered |= {*told.covered, *((message.agent, message.lost.epoch) for message in lost)}
        _count(written, told, shown, len(letters))
        return [*told.files, *shown.files]

    def _prune(self, connection: Connection, written: WriteResult) -> list[str]:
        self._since_pruning += written.pictures
        if written.dead_letters:
            newest = select(func.max(dead_letters.c.number)).scalar_subquery()
            connection.execute(
                delete(dead_letters).where(
                    dead_letters.c.sequence.is_(None), dead_letters.c.number <= newest - MAX_DEAD_LETTERS
                )
            )
        if self._since_pruning < PRUNE_EVERY_PICTURES:
            return []
        self._since_pruning = 0
        return _prune_pictures(connection, self._pictures_bytes)


def _of(items: Iterable[ParsedMessage], kind: type[Kind]) -> list[Kind]:
    return [item for item in items if isinstance(item, kind)]


def _forgets(item: ParsedMessage) -> bool:
    """Whether it takes back an agent's status: nobody does that but who forgets the agent."""
    return isinstance(item, RetainedMessage) and item.kind == "status" and not item.payload


def _parts(items: Sequence[ParsedMessage]) -> Iterator[list[ParsedMessage]]:
    """Parts in which the order of messages of different kinds doesn't matter: an agent is forgotten at a part's end."""
    part: list[ParsedMessage] = []
    for item in items:
        part.append(item)
        if _forgets(item):
            yield part
            part = []
    if part:
        yield part


def _spans(told: Sequence[EventMessage], letters: Sequence[DeadLetter]) -> dict[AgentEpoch, Range]:
    """From the first to the last sequence of each epoch."""
    places: dict[AgentEpoch, list[Range]] = {}
    for message in told:
        data = message.envelope.data
        places.setdefault((message.agent, data.epoch), []).append((data.sequence, data.sequence))
    for letter in letters:
        if letter.epoch is not None and letter.sequence is not None:
            places.setdefault((letter.agent, letter.epoch), []).append((letter.sequence, letter.sequence))
    return {name: span_of(at) for name, at in places.items()}


def _count(written: WriteResult, told: StoredBatch, shown: StoredBatch, letters: int) -> None:
    written.events += told.new
    written.duplicates += told.known
    written.pictures += shown.new
    written.dead_letters += letters + len(told.letters) + len(shown.letters)


def _first_of_each(letters: Sequence[DeadLetter], known: Mapping[AgentEpoch, KnownEpoch]) -> Iterator[DeadLetter]:
    """Those of an event that is there already, whole or as a dead letter, count as any message that doesn't fit.

    There may be as many as somebody makes up, where an agent's own are one each.
    """
    before: set[tuple[AgentEpoch, int]] = set()
    for letter in letters:
        if letter.epoch is None or letter.sequence is None:
            yield letter
            continue
        name, place = (letter.agent, letter.epoch), ((letter.agent, letter.epoch), letter.sequence)
        is_there = place in before or (name in known and known[name].has_stored(letter.sequence))
        before.add(place)
        yield replace(letter, epoch=None, sequence=None) if is_there else letter


def _insert_dead_letters(connection: Connection, letters: Sequence[DeadLetter], now: datetime) -> None:
    """Keep what is sent again and again once."""
    for letter in letters:
        payload = letter.payload if letter.sequence is not None else letter.payload[:MAX_DEAD_LETTER_BYTES]
        told = {"topic": letter.topic, "reason": letter.reason[:MAX_REASON], "payload": payload}
        same = [dead_letters.c[name] == value for name, value in told.items()]
        if connection.execute(select(dead_letters.c.number).where(*same).limit(1)).first() is None:
            position = {"epoch": letter.epoch, "sequence": letter.sequence}
            connection.execute(dead_letters.insert().values(received=now, **told, **position))


def _prune_pictures(connection: Connection, limit_bytes: int) -> list[str]:
    """Delete the oldest rows until the limit is kept; their files. What people have labelled counts for itself."""
    passing = select(func.coalesce(func.sum(pictures.c.size), 0)).where(~IS_LABELLED)
    excess = int(connection.execute(passing).scalar_one()) - limit_bytes
    if excess <= 0:
        return []
    last = 0
    oldest_first = select(pictures.c.number, pictures.c.size).where(~IS_LABELLED).order_by(pictures.c.number)
    for number, size in connection.execute(oldest_first):
        last, excess = number, excess - size
        if excess <= 0:
            break
    gone = delete(pictures).where(pictures.c.number <= last, ~IS_LABELLED)
    found = connection.execute(gone.returning(pictures.c.file))
    return [file for (file,) in found]
