"""Checks whether every retained state has come, and asks for those that haven't.

No broker says where the retained messages of a subscription end, and when they are many, brokers drop some without a
word (Mosquitto: beyond `max_queued_messages`, 1,000 by default, once the connection can't take more). But each agent
says in its status how many locations it watches. So of agents that lack some, the states are asked for again, few
enough at a time that none is dropped; and of what then is still missing, it can be said.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Protocol

from kardus.contract.messages import AgentStatus
from kardus.contract.topics import Topics
from kardus.mqtt.connection import Subscription

LOCATIONS_PER_REQUEST = 500
"""Locations whose states are asked for at a time."""
SAFE = 1000
"""So many retained messages come for certain, whoever the broker is."""
QUIET_S = 0.5
"""What was asked for is taken to be there when nothing has come for this long ..."""
PATIENCE_S = 10.0
"""... or after this long, on a busy site."""
EXAMPLES = 5
"""So many agents are named."""


class Monitor(Protocol):
    """Keeps the retained messages that have come so far."""

    @property
    def states(self) -> Sized:
        """One for each agent and location."""

    @property
    def agents(self) -> Mapping[str, AgentStatus]:
        """What each agent says of itself."""

    def update(self, topic: str, payload: bytes) -> object:
        """Apply a message."""


class Completeness:
    """Asks again, agent after agent; `look` is to be called whenever all that has come was taken in."""

    def __init__(
        self,
        site: str,
        monitor: Monitor,
        subscribe: Callable[[Sequence[Subscription]], None],
        is_subscribed: Callable[[], bool],
    ) -> None:
        """`subscribe` subscribes to the states of these filters too, and no longer to those of the last ones."""
        self._site = site
        self._monitor = monitor
        self._subscribe = subscribe
        self._is_subscribed = is_subscribed
        self._tries: Counter[str] = Counter()
        """How often the states of an agent were asked for again ..."""
        self._had: dict[str, int] = {}
        """... and how many had come when they were last."""
        self._portion: list[str] = []
        """Whose states are asked for next."""
        self._pending: set[str] = set()
        """Whose states are asked for now."""
        self._have: Counter[str] = Counter()
        """How many states have come, by agent."""
        self._began_s = self._heard_s = time.monotonic()

    def take(self, topic: str, payload: bytes) -> None:
        """A message has come: for the monitor."""
        before = len(self._monitor.states)
        self._monitor.update(topic, payload)
        grown = len(self._monitor.states) - before
        if grown:
            self._have[topic.split("/")[4]] += grown
        self._heard_s = time.monotonic()

    def request_missing_states(self) -> None:
        """Ask for more, if what was asked for before has come."""
        now_s = time.monotonic()
        if not self._is_subscribed():
            self._began_s = self._heard_s = now_s
            return
        missing = self._missing() | self._unsure()
        is_quiet = now_s - self._heard_s >= QUIET_S or now_s - self._began_s >= PATIENCE_S
        if not self._portion:
            if not is_quiet and (not self._pending or self._pending & missing.keys()):
                return
            self._portion = self._next_portion(missing)
        if self._pending.intersection(self._portion):
            self._ask([])  # a broker gives again only what was given up before
        elif self._portion or self._pending:
            self._ask(self._portion)
            self._portion = []

    def _ask(self, agents: Sequence[str]) -> None:
        self._pending = set(agents)
        self._began_s = self._heard_s = time.monotonic()
        self._subscribe([(Topics(self._site, agent).state(None), 0) for agent in agents])

    def problem(self) -> str:
        """What is missing, or may be; empty: all states are there."""
        missing, have = self._missing(), self._have
        if missing:
            named = [f"{agent} {have[agent]} of {have[agent] + missing[agent]}" for agent in sorted(missing)]
            return f"incomplete: {sum(missing.values())} states haven't come yet ({_few(named)})"
        flooded = {agent for agent, number in have.items() if number > SAFE and not self._announced(agent)}
        if silent := sorted(flooded | self._unsure().keys()):
            return f"maybe incomplete: {_few(silent)} doesn't say how many locations it watches"
        return ""

    def _next_portion(self, missing: dict[str, int]) -> list[str]:
        """The next agents that lack some, with at most `LOCATIONS_PER_REQUEST` locations; later each alone."""
        found: list[str] = []
        locations = 0
        for agent in sorted(missing):
            expected = self._announced(agent) or self._have[agent]
            if not self._tries[agent] and (not found or locations + expected <= LOCATIONS_PER_REQUEST):
                found.append(agent)
                locations += expected
        found = found or [agent for agent in sorted(missing) if self._may_help(agent)][:1]
        self._tries.update(found)
        self._had.update({agent: self._have[agent] for agent in found})
        return found

    def _may_help(self, agent: str) -> bool:
        is_first_alone = self._tries[agent] == 1 and self._announced(agent) > 0
        return is_first_alone or self._have[agent] > self._had[agent]

    def _unsure(self) -> dict[str, int]:
        """What came of agents that may lack some, until one was asked for again and nothing more came.

        Nobody says how many locations they watch (they are offline, mostly), and so much came in all that a broker may
        have dropped some.
        """
        if sum(self._have.values()) <= SAFE:
            return {}
        return {
            agent: self._have[agent]
            for agent in {*self._have, *self._monitor.agents}
            if not self._announced(agent) and (not self._tries[agent] or self._may_help(agent))
        }

    def _missing(self) -> dict[str, int]:
        """How many states haven't come, by agent."""
        lacking = {agent: self._announced(agent) - self._have[agent] for agent in self._monitor.agents}
        return {agent: number for agent, number in lacking.items() if number > 0}

    def _announced(self, agent: str) -> int:
        """0: it has said nothing, or is offline."""
        status = self._monitor.agents.get(agent)
        return status.locations if status else 0


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:EXAMPLES]) + (", ..." if len(names) > EXAMPLES else "")
