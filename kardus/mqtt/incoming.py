"""Messages from the broker, and how they are acknowledged."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from kardus.mqtt.batch_client import BatchClient


def nothing(*_: object) -> None:
    """Do nothing: the callback where nobody gave one."""


@dataclass(frozen=True, slots=True)
class Puback:
    """Acknowledges a message when it is called: over the connection that it came by, or not at all."""

    client: BatchClient
    number: int

    def __call__(self) -> None:
        """Send PUBACK."""
        self.client.acknowledge([self.number])


class Incoming(NamedTuple):
    """A message from the broker."""

    topic: str
    payload: bytes
    retained: bool = False
    response_topic: str = ""
    """Where the sender wants its answer (MQTT 5); with manual acknowledgement it isn't read."""
    correlation: bytes = b""
    """What the answer has to carry; likewise."""
    acknowledge: Callable[[], object] = nothing
    """With manual acknowledgement: PUBACK, over the connection that the message came by or not at all."""


def acknowledge_all(messages: Iterable[Incoming]) -> None:
    """Acknowledge each, those of one connection in one piece: each piece wakes the network's thread."""
    together: dict[BatchClient, list[int]] = {}
    for message in messages:
        if isinstance(message.acknowledge, Puback):
            together.setdefault(message.acknowledge.client, []).append(message.acknowledge.number)
        else:
            message.acknowledge()
    for client, numbers in together.items():
        client.acknowledge(numbers)
