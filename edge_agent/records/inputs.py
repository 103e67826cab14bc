"""What comes to the agent's thread beside pictures and commands."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ExpectedMessage:
    """Expected stock as it came from the broker."""

    location: str
    payload: bytes


@dataclass(frozen=True)
class HomeAssistantOnline:
    """Home Assistant has started, and asks who is there."""


@dataclass(frozen=True)
class ReloadWanted:
    """The configuration may have changed."""
