"""What agents have said of a location after an event that comes late, or again.

By epoch, sequence and repeat, as the contract has it (docs/messages.md), whatever the order of storing. A location's
state is retained, so that it is there before what was kept for an agent's return.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Text, and_, select

from warehouse.console.shown import ShownRow, message_data
from warehouse.store.epoch_order import epoch_rank
from warehouse.store.epochs import numbers_of
from warehouse.store.rowsets import given
from warehouse.store.tables import agent_beside, events, latest

_PLACE = {"agent": Text, "location": Text}


@dataclass(frozen=True)
class LaterState:
    """What an agent has said of a location after an event."""

    state: ShownRow
    event: str
    """The last event before it, whose picture shows it."""


def later_states(connection: Connection, items: Iterable[ShownRow]) -> dict[str, LaterState]:
    """By the ids of those of these events that were overtaken. Costs little where none was."""
    changed = [(item["agent"], item["event"]["location"], item["id"], item["event"]) for item in items]
    if not changed:
        return {}
    states = _states(connection, {(agent, location) for agent, location, _, _ in changed})
    epochs = {(agent, event["epoch"]) for agent, _, _, event in changed}
    numbers = numbers_of(connection, epochs | {(agent, state["epoch"]) for (agent, _), state in states.items()})

    def place(agent: str, told: ShownRow) -> tuple[Any, int, int]:
        number, is_present = numbers.get((agent, told["epoch"]), (0, False))
        return epoch_rank(told["epoch"], number, is_present=is_present), told["sequence"], told.get("repeat", 0)

    found, last = {}, dict[tuple[str, str], str]()
    for agent, location, id_, event in changed:
        state = states.get((agent, location))
        if state is not None and place(agent, state) > place(agent, event):
            key = (agent, location)
            last[key] = last.get(key) or _last_event(connection, agent, state)
            found[id_] = LaterState(state, last[key] or id_)
    return found


def states_now(connection: Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], LaterState]:
    """What agents say of locations now, by agent and location, each with the event that it rests on."""
    wanted = set(keys)
    states = _states(connection, wanted) if wanted else {}
    return {key: LaterState(state, _last_event(connection, key[0], state)) for key, state in states.items()}


def _states(connection: Connection, keys: set[tuple[str, str]]) -> dict[tuple[str, str], ShownRow]:
    """Those that say their place; those of earlier versions of the agent don't."""
    wanted = given(connection, _PLACE, list(keys))
    same = and_(latest.c.agent == wanted.c.agent, latest.c.subject == wanted.c.location, latest.c.kind == "state")
    rows = connection.execute(select(latest.c.agent, latest.c.subject, latest.c.payload).join(wanted, same)).all()
    found = {(row.agent, row.subject): message_data(row) for row in rows}
    return {key: state for key, state in found.items() if state.get("epoch")}


def _last_event(connection: Connection, agent: str, state: ShownRow) -> str:
    own = (events.c.location == state["location"]) & (agent_beside == agent) & (events.c.epoch == state["epoch"])
    chosen = select(events.c.id).where(own, events.c.sequence <= state["sequence"])
    return connection.execute(chosen.order_by(events.c.sequence.desc()).limit(1)).scalar() or ""
