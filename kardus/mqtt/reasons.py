"""Why the broker refused or ended something, in words: MQTT 5 has a reason code, and often a text beside it."""

from dataclasses import dataclass
from typing import Any

from paho.mqtt.reasoncodes import ReasonCode

from kardus.support.control_characters import escaped

TAKEN_OVER = "session taken over: another client uses this name"
NOT_GIVEN = "no reason given"
"""What a broker that speaks 3.1.1, and some that speak 5, say of it."""
MAX_TEXT = 200
_TAKEN_OVER, _SILENT, _NOT_AUTHORIZED = 0x8E, 0x8D, 0x87
_NO_TEXTS = frozenset({"Unspecified error", "Success", "Normal disconnection"})
_MESSAGE_FAULTS = frozenset({0x80, 0x81, 0x82, 0x83, _NOT_AUTHORIZED, 0x90, 0x95, 0x99, 0x9A, 0x9B})
"""Malformed packet, topic name invalid, packet too large and their like: what was sent is at fault."""


@dataclass(frozen=True)
class Ending:
    """Why a connection ended."""

    name: str
    """One of a few dozen texts, so that endings can be counted by it."""
    text: str
    """The same, with the broker's own words."""
    code: int | None = None
    """MQTT 5's reason code, where the broker sent one."""
    is_silence: bool = False
    """Whether the broker was silent for longer than the keepalive."""

    @property
    def is_take_over(self) -> bool:
        """Whether the broker says that another client of this id has connected."""
        return self.code == _TAKEN_OVER

    @property
    def is_of_rights(self) -> bool:
        """Whether the broker says that we may not do what we did: that can be mended on its side."""
        return self.code == _NOT_AUTHORIZED

    @property
    def may_be_of_a_message(self) -> bool:
        """Whether the broker may have hung up because of what was sent, for all that it says."""
        return not self.is_silence and (self.code is None or self.code in _MESSAGE_FAULTS)


GIVEN_UP = Ending("given up", "given up, or a callback has failed", is_silence=True)
"""We hung up ourselves."""


def ending(reason: ReasonCode | None, more: Any, *, by_broker: bool) -> Ending:
    """What paho tells of a connection's end; `by_broker`: the broker said so, in a packet of its own (MQTT 5)."""
    if not by_broker:
        is_silence = reason is not None and reason.value == _SILENT
        name = "silent for longer than the keepalive" if is_silence else NOT_GIVEN
        return Ending(name, name, is_silence=is_silence)
    code = 0 if reason is None else reason.value
    name = TAKEN_OVER if code == _TAKEN_OVER else "ended by the broker" if reason is None else str(reason).lower()
    return Ending(name, name + _own_words(more), code)


def refusal(reason: ReasonCode, more: Any) -> str:
    """Why the broker refuses something: its reason, and its own words where it has some."""
    name = str(reason)
    return (NOT_GIVEN if name in _NO_TEXTS else name) + _own_words(more)


def _own_words(properties: Any) -> str:
    found = str(getattr(properties, "ReasonString", ""))[:MAX_TEXT]
    return f": {escaped(found)}" if found else ""
