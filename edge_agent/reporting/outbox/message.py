"""What the outbox keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["event", "state", "evidence"]
"""`event`: every one counts. `state`: a later one of the same topic takes its place. `evidence`: pictures."""
KINDS: tuple[Kind, ...] = ("event", "state", "evidence")


@dataclass(frozen=True)
class Message:
    """Something to publish."""

    kind: Kind
    topic: str
    payload: bytes
    retain: bool = False
    location: str = ""
    """Messages of a location are sent in their order, whatever overtakes them; empty: of no location."""
    sequence: int | None = None
    """Which event of the epoch it is; None: it isn't counted."""
    urgent: bool = False
    """It overtakes what isn't, with everything of its location that came before it."""


@dataclass(frozen=True)
class Stored:
    """A message with its number in the outbox."""

    id: int
    message: Message


@dataclass(frozen=True)
class Limits:
    """How much is kept; beyond it the least important goes first. A later state always replaces an earlier one."""

    events: int = 200_000
    evidence_bytes: float = 50e6
    states: int = 50_000
    """States are as many as topics: more than this is a mistake somewhere."""


@dataclass(frozen=True)
class Depth:
    """What waits."""

    messages: Mapping[Kind, int]
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

    dropped: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    """Messages dropped under pressure since the start."""
    damaged: int = 0
    """Times that the file was found damaged and set aside since the start."""
