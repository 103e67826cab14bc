"""What the outbox stores, how much of it, and what it had to give up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge_agent.records import Message, MessageKind

MESSAGE_KINDS: tuple[MessageKind, ...] = ("event", "state", "evidence")


@dataclass(frozen=True)
class NumberedMessage:
    """A message with its number in the outbox."""

    id: int
    message: Message


@dataclass(frozen=True)
class OutboxLimits:
    """How much is kept; beyond it the least important goes first. A later state always replaces an earlier one."""

    events: int = 200_000
    evidence_bytes: float = 50e6
    states: int = 50_000
    """States are as many as topics: more than this is a mistake somewhere."""


@dataclass(frozen=True)
class Depth:
    """What waits."""

    messages: Mapping[MessageKind, int]
    """How many of each kind haven't been given to the broker."""
    unconfirmed: int = 0
    """Events that the broker has, and the WMS side hasn't confirmed yet."""
    oldest_unix_s: float | None = None
    """When the oldest of `messages` was stored; None: nothing waits."""

    @property
    def total(self) -> int:
        """How many haven't been given to the broker."""
        return sum(self.messages.values())


@dataclass
class Losses:
    """What was given up. Read by others while the outbox's thread adds to it: counters only grow."""

    dropped: dict[MessageKind, int] = field(default_factory=lambda: dict.fromkeys(MESSAGE_KINDS, 0))
    """Messages dropped under pressure since the start."""
    hung_up_on: int = 0
    """Messages given up since the start because the broker hung up on them."""
    damaged: int = 0
    """Times that the file was found damaged and set aside since the start."""
