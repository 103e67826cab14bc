"""Counts which states a receiver has heard of, and how many there should be: no more than completeness needs."""

import contextlib
import queue

from pydantic import ValidationError

from kardus.contract.messages import AgentStatus, Envelope
from kardus.mqtt.incoming import Incoming

_STATUS = Envelope[AgentStatus]


class HeardStates:
    """Of the states only whose and where; of the statuses all. Filled by one thread, read by another."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self.states: set[tuple[str, str]] = set()
        """By agent and location's level of the topic."""
        self.agents: dict[str, AgentStatus] = {}
        self._waiting: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()

    def hear(self, message: Incoming) -> None:
        """Keep a message, if it is a state or an agent's status, for `take_waiting`."""
        if message.topic.endswith(("/state", "/status")):
            self._waiting.put((message.topic, message.payload))

    def take_waiting(self) -> list[tuple[str, bytes]]:
        """The topics and payloads that have come, once; for `update`."""
        return [self._waiting.get() for _ in range(self._waiting.qsize())]

    def update(self, topic: str, payload: bytes) -> None:
        """Apply a message; what isn't valid is passed over, and kept aside by whoever stores it."""
        agent, *rest = topic.split("/")[4:]
        match rest:
            case ["locations", location, "state"] if payload:
                self.states.add((agent, location))
            case ["locations", location, "state"]:
                self.states.discard((agent, location))
            case ["status"] if payload:
                with contextlib.suppress(ValidationError):
                    self.agents[agent] = _STATUS.model_validate_json(payload).data
            case ["status"]:
                self.agents.pop(agent, None)
