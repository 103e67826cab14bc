"""The last state, status, health and coverage that agents have retained.

Every receiver gets them all, over its own subscription, in the order in which the agent said them. Of two receivers of
one database the slower may write an older one last; the next, which comes within a third of the time for which a state
is valid, puts that right.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Text, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from warehouse.store.epochs import note_epoch
from warehouse.store.records import RetainedMessage
from warehouse.store.rowsets import given
from warehouse.store.tables import latest

_KEY = {"agent": Text, "kind": Text, "subject": Text}


def replace_retained(connection: Connection, messages: Sequence[RetainedMessage], now: datetime) -> None:
    """Put each in the place of the one before; an empty one takes that back."""
    last = {(message.agent, message.kind, message.subject): message for message in messages}
    for message in messages:
        if message.status and message.status.epoch:
            note_epoch(connection, (message.agent, message.status.epoch), message.status.sequence, is_present=True)
    if cleared := [key for key, message in last.items() if not message.payload]:
        gone = given(connection, _KEY, cleared)
        key = tuple_(latest.c.agent, latest.c.kind, latest.c.subject)
        connection.execute(delete(latest).where(key.in_(select(gone.c.agent, gone.c.kind, gone.c.subject))))
    rows = [
        dict(zip(_KEY, key, strict=True), received=now, payload=message.payload)
        for key, message in last.items()
        if message.payload
    ]
    if rows:
        adding = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(latest)
        changed = {name: adding.excluded[name] for name in ("received", "payload")}
        connection.execute(adding.on_conflict_do_update(index_elements=list(_KEY), set_=changed), rows)
