"""Which agents are there: a list that is empty since no camera has looked isn't one of a warehouse in order."""

from dataclasses import dataclass

from pydantic_core import from_json
from sqlalchemy import Connection, select

from warehouse.store.tables import latest


@dataclass(frozen=True)
class AgentPresence:
    """How many agents there are, how many of them are offline, and whether they have said anything."""

    agents: int
    """How many have ever said that they are there."""
    offline: int
    """How many of these are away."""
    has_states: bool
    """Whether anything was said of any location."""

    @property
    def is_silent(self) -> bool:
        """Nothing was ever said of a location: nothing is known."""
        return not self.has_states


def agent_presence(connection: Connection) -> AgentPresence:
    """The presence of all agents, by what they have retained."""
    words = _statuses(connection)
    state = connection.execute(select(latest.c.agent).where(latest.c.kind == "state").limit(1)).first()
    return AgentPresence(len(words), sum(word != "online" for word in words.values()), state is not None)


def offline_agents(connection: Connection) -> frozenset[str]:
    """Those that are away, as they or the broker for them have said."""
    return frozenset(agent for agent, word in _statuses(connection).items() if word != "online")


def _statuses(connection: Connection) -> dict[str, str]:
    said = connection.execute(select(latest.c.agent, latest.c.payload).where(latest.c.kind == "status"))
    return {agent: from_json(payload, cache_strings="keys")["data"]["status"] for agent, payload in said}
