"""Rows of the database as the API shows them: what an agent said goes out as it came, parsed and not validated again.

It was validated when it was stored, and validating a page's hundred events once more would take most of its time.
"""

from datetime import datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import JSON, Column, Connection, cast, select, type_coerce

from kardus.contract.messages import Envelope, LocationState, is_void
from warehouse.store.tables import events

EVENTS = select(events.c.number, events.c.agent, events.c.received, events.c.payload)
"""What `event_item` shows."""
ShownRow = dict[str, Any]


def event_item(row: Any) -> ShownRow:
    """A row of `EVENTS`, as EventItem in records.py."""
    envelope = from_json(row.payload, cache_strings="keys")
    return {
        "number": row.number,
        "id": envelope["id"],
        "agent": row.agent,
        "received": time_text(row.received),
        "event": envelope["data"],
    }


def state_item(row: Any, now: datetime) -> ShownRow:
    """A row of states, as StateItem: one whose time is over is `stale`."""
    data = message_data(row)
    if is_void(datetime.fromisoformat(data["valid_until"]), now):
        data = Envelope[LocationState].model_validate_json(row.payload).data.at(now).model_dump(mode="json")
    return {"agent": row.agent, "received": time_text(row.received), "state": data}


def json_of(connection: Connection, payload: Column[str]) -> Any:
    """A message that the database takes apart itself: of thousands of them only what is asked for comes here."""
    return cast(payload, JSON) if connection.dialect.name == "postgresql" else type_coerce(payload, JSON)


def message_data(row: Any) -> ShownRow:
    """What the message of a row says."""
    found: ShownRow = from_json(row.payload, cache_strings="keys")["data"]
    return found


def time_text(moment: datetime) -> str:
    """As the messages write times."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
