"""Texts that MQTT takes (MQTT 5, 1.5.4): brokers hang up on control characters, and on what are no characters."""

import re
from typing import Annotated

from pydantic import StringConstraints

_PLANE_ENDS = "".join(chr(plane << 16 | end) for plane in range(1, 17) for end in (0xFFFE, 0xFFFF))
"""The last two places of every plane of Unicode are no characters."""
NO_TEXT = rf"\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff{_PLANE_ENDS}"
"""What no text of the protocol may hold, as the inside of a character class. Half a character (a surrogate, as Python
makes of bytes that aren't UTF-8) can't be written at all."""
_TEXT = re.compile(rf"[^{NO_TEXT}\ud800-\udfff]*")
_TOPIC = re.compile(rf"[^+#{NO_TEXT}\ud800-\udfff]+")
MAX_TEXT = 1000
"""Characters; the protocol ends at 65,535 bytes."""
MqttText = Annotated[str, StringConstraints(pattern=rf"^[^{NO_TEXT}]*$", max_length=MAX_TEXT)]
"""A user name, for example."""
MqttTopic = Annotated[str, StringConstraints(pattern=rf"^[^+#{NO_TEXT}]*$", max_length=MAX_TEXT)]
"""A topic that can be published to; or nothing."""


def is_text(text: str) -> bool:
    """Whether MQTT takes it."""
    return len(text) <= MAX_TEXT and _TEXT.fullmatch(text) is not None


def is_topic(text: str) -> bool:
    """Whether a message can be published there."""
    return len(text) <= MAX_TEXT and _TOPIC.fullmatch(text) is not None
