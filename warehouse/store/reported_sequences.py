"""The last sequence that each agent reports of itself, in the status that it retained last."""

import json
from collections.abc import Iterable

from sqlalchemy import Connection, Text, select

from warehouse.store.epochs import AgentEpoch
from warehouse.store.rowsets import given
from warehouse.store.tables import latest

MAX_SEQUENCES_AHEAD = 100_000
"""An agent says it every five minutes, and decides no more in between: what is further ahead is a wrong sequence."""


def reported_sequences(connection: Connection, of: Iterable[str]) -> dict[AgentEpoch, int]:
    """The last sequence of the epoch that each of these agents counts in; of those that don't say it, nothing."""
    agents = given(connection, {"agent": Text}, [(agent,) for agent in of])
    chosen = select(latest.c.agent, latest.c.payload).join(agents, agents.c.agent == latest.c.agent)
    rows = connection.execute(chosen.where(latest.c.kind == "status", latest.c.subject == "")).all()
    said = {agent: json.loads(payload)["data"] for agent, payload in rows}
    return {(agent, data["epoch"]): data.get("sequence", 0) for agent, data in said.items() if data.get("epoch")}


def is_believed(sequence: int, reported: int | None) -> bool:
    """Whether an agent may have counted to a sequence; `reported`: what it says itself, None: it doesn't."""
    return reported is None or sequence <= reported + MAX_SEQUENCES_AHEAD


def highest_believed(highest: int, reached: int, reported: int | None) -> int:
    """How far an epoch goes, of what was heard of it: without a gap it is covered to `reached`."""
    return highest if reported is None or is_believed(highest, reported) else max(reported, reached)
