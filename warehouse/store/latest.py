"""Keeps the last state, status, health and coverage that agents have retained.

Every receiver gets them all, over its own subscription, in the order in which the agent said them; of two receivers of
one database the slower comes later. A state says its place (epoch, sequence, repeat): the highest stays, whoever brings
it last. What says none is taken as it comes: the states of earlier versions, health, coverage, statuses, and what is
cleared. Each receiver ends with the agent's last word of these, so that they differ for a moment only.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, and_, delete, insert, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from warehouse.store.epoch_order import Rank, epoch_rank
from warehouse.store.epochs import AgentEpoch, hear_of, note_epoch, numbers_of
from warehouse.store.records import RetainedMessage, StatePlace
from warehouse.store.reported_sequences import is_believed, reported_sequences
from warehouse.store.rowsets import given
from warehouse.store.tables import latest, models

MODEL = "model"
"""The kind of message that has a table of its own."""
_KEY = {"agent": Text, "kind": Text, "subject": Text}
StateKey = tuple[str, str, str]
"""Agent, kind, subject."""


def replace_retained(connection: Connection, messages: Sequence[RetainedMessage], now: datetime) -> None:
    """Put each in the place of the one before, unless that is the later one; an empty one takes that back."""
    _replace_models(connection, [message for message in messages if message.kind == MODEL], now)
    messages = [message for message in messages if message.kind != MODEL]
    _note_epochs(connection, messages)
    last, cleared = _last_of_each(connection, messages)
    if cleared:
        gone = given(connection, _KEY, cleared)
        key = tuple_(latest.c.agent, latest.c.kind, latest.c.subject)
        connection.execute(delete(latest).where(key.in_(select(gone.c.agent, gone.c.kind, gone.c.subject))))
    rows = [dict(zip(_KEY, key, strict=True), received=now, payload=text) for key, text in last.items()]
    if rows:
        adding = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(latest)
        changed = {name: adding.excluded[name] for name in ("received", "payload")}
        connection.execute(adding.on_conflict_do_update(index_elements=list(_KEY), set_=changed), rows)


def _replace_models(connection: Connection, messages: Sequence[RetainedMessage], now: datetime) -> None:
    """What agents say of their models: as it comes."""
    for message in messages:
        connection.execute(delete(models).where(models.c.agent == message.agent))
        if message.payload:
            connection.execute(insert(models).values(agent=message.agent, received=now, payload=message.payload))


def _last_of_each(
    connection: Connection, messages: Sequence[RetainedMessage]
) -> tuple[dict[StateKey, str], set[StateKey]]:
    """The text that is to be stored under each key, where one is; what was cleared, whether or not it came again."""
    stored = _stored_places(connection, [message for message in messages if message.place])
    ranks = _Ranks(connection, stored, messages)
    places: dict[StateKey, StatePlace | None] = dict(stored)
    last: dict[StateKey, str] = {}
    cleared: set[StateKey] = set()
    for message in messages:
        key = (message.agent, message.kind, message.subject)
        if not message.payload:
            cleared.add(key)
            places[key] = None
            last.pop(key, None)
        elif not ranks.is_earlier(message.agent, message.place, places.get(key)):
            last[key], places[key] = message.payload, message.place
    return last, cleared


class _Ranks:
    """The order of the epochs that states name; what is heard of first in a state is noted."""

    def __init__(
        self, connection: Connection, stored: Mapping[StateKey, StatePlace], messages: Iterable[RetainedMessage]
    ) -> None:
        names = {(key[0], place.epoch) for key, place in stored.items()}
        names |= {(message.agent, message.place.epoch) for message in messages if message.place}
        self._numbers = numbers_of(connection, names) if names else {}
        if unheard := names - self._numbers.keys():
            hear_of(connection, unheard)
            self._numbers = numbers_of(connection, names)

    def is_earlier(self, agent: str, one: StatePlace | None, other: StatePlace | None) -> bool:
        """Whether a state was said before another one; False where it can't be told."""
        if one is None or other is None:
            return False
        if one.epoch == other.epoch:
            return (one.sequence, one.repeat) < (other.sequence, other.repeat)
        return self._rank((agent, one.epoch)) < self._rank((agent, other.epoch))

    def _rank(self, name: AgentEpoch) -> Rank:
        number, is_present = self._numbers[name]
        return epoch_rank(name[1], number, is_present=is_present)


def _stored(connection: Connection, keys: Iterable[StateKey]) -> dict[StateKey, dict[str, Any]]:
    """What is stored under these keys, read here: a server's JSON functions refuse texts that JSON allows."""
    wanted = given(connection, _KEY, list(keys))
    same = and_(*(latest.c[name] == wanted.c[name] for name in _KEY))
    chosen = select(latest.c.agent, latest.c.kind, latest.c.subject, latest.c.payload)
    found = connection.execute(chosen.join(wanted, same)).all()
    return {(agent, kind, subject): json.loads(payload) for agent, kind, subject, payload in found}


def _stored_places(connection: Connection, states: Sequence[RetainedMessage]) -> dict[StateKey, StatePlace]:
    """The places of the states that are stored under the same keys; those that say none, or a wrong one, aren't in it.

    Else no state of its epoch would ever replace it.
    """
    if not states:
        return {}
    found = _stored(connection, {(state.agent, state.kind, state.subject) for state in states})
    data = {key: message["data"] for key, message in found.items() if message["data"].get("epoch")}
    reported = reported_sequences(connection, {agent for agent, _, _ in data})
    places = {key: StatePlace(one["epoch"], one.get("sequence", 0), one.get("repeat", 0)) for key, one in data.items()}
    return {
        key: place for key, place in places.items() if is_believed(place.sequence, reported.get((key[0], place.epoch)))
    }


def _note_epochs(connection: Connection, messages: Sequence[RetainedMessage]) -> None:
    """Of each agent the epoch that it says it counts in."""
    for message in messages:
        if message.status and message.status.epoch:
            name = (message.agent, message.status.epoch)
            note_epoch(connection, name, message.status.sequence, said=message.time)
