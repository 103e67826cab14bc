"""The MQTT topics, under `kardus/v1/{site}`."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from pydantic import StringConstraints

from kardus.contract.base import NfcText
from kardus.contract.mqtt_text import NO_TEXT, is_text
from kardus.support.spelling import composed

ROOT = "kardus/v1"
MAX_NAME = 100
"""Characters of a name or a code in NFC, as it is sent. Not said by the patterns: pydantic's engine writes a bounded
repetition out, which costs milliseconds and half a megabyte for each field."""
ID_PATTERN = rf"^[^\s$/+#{NO_TEXT}][^/+#{NO_TEXT}]*$"
LOCATION_PATTERN = rf"^[^\s{NO_TEXT}][^{NO_TEXT}]*$"
Id = Annotated[str, StringConstraints(pattern=ID_PATTERN, max_length=MAX_NAME), NfcText]
"""A name that may stand in a topic, in NFC: 1 to 100 characters, no `/`, `+`, `#` or control characters, no `$` or
space at the start."""
LocationCode = Annotated[str, StringConstraints(pattern=LOCATION_PATTERN, max_length=MAX_NAME), NfcText]
"""The WMS's code of a location, in NFC: 1 to 100 characters, no control characters, no space at the start."""
_ESCAPED = {ord(character): f"%{ord(character):02X}" for character in "%/+#.$"}
"""`/` parts a topic's levels, `+` and `#` stand for any of them, `$` begins topics of the broker's own, and RabbitMQ's
AMQP side takes a dot for a slash. `%` itself, so that every code has a topic of its own."""
_ESCAPE = re.compile("%(25|2F|2B|23|2E|24)")


def is_id(text: str) -> bool:
    """Whether a name may stand in a topic, in NFC."""
    return _is_name(composed(text), ID_PATTERN)


def is_location(text: str) -> bool:
    """Whether a text may be a location's code, in NFC."""
    return _is_name(composed(text), LOCATION_PATTERN)


def _is_name(text: str, pattern: str) -> bool:
    return len(text) <= MAX_NAME and re.fullmatch(pattern, text) is not None and is_text(text)


def location_level(code: str | None) -> str:
    """A location's level of a topic: its code, with `% / + # . $` as percent and two hexadecimal digits (RFC 3986).

    None stands for every location: the level of a subscription.
    """
    return "+" if code is None else code.translate(_ESCAPED)


def location_code(level: str) -> str:
    """The code of a level; one that wasn't written by `location_level`, as of earlier versions, stands for itself."""
    return _ESCAPE.sub(lambda found: chr(int(found.group(1), 16)), level) if "%" in level else level


_EXPECTED = re.compile(rf"^{ROOT}/([^/]+)/expected/([^/]+)$")


@dataclass(frozen=True)
class Topics:
    """The topics of one agent at one site. A location of None is every location: then it is a subscription."""

    site: str
    agent: str

    @property
    def base(self) -> str:
        """What every topic of the agent begins with."""
        return f"{ROOT}/{self.site}/agents/{self.agent}"

    @property
    def status(self) -> str:
        """Retained: online or offline (also the last will)."""
        return f"{self.base}/status"

    @property
    def coverage(self) -> str:
        """Retained: which locations were verified, daily and on request."""
        return f"{self.base}/coverage"

    @property
    def replies(self) -> str:
        """What the response topics of commands should begin with: brokers let the agent publish there."""
        return f"{ROOT}/{self.site}/replies/{self.agent}"

    @property
    def model(self) -> str:
        """Retained: the model in use, and what becomes of another one."""
        return f"{self.base}/model"

    @property
    def ack(self) -> str:
        """Retained, from the WMS side: which events are stored for good."""
        return f"{self.base}/ack"

    @property
    def lost(self) -> str:
        """Retained: which events will never come."""
        return f"{self.base}/lost"

    @property
    def commands_filter(self) -> str:
        """The subscription to every command for the agent."""
        return f"{self.base}/commands/+"

    def command(self, name: str) -> str:
        """Where a command is sent to."""
        return f"{self.base}/commands/{name}"

    def command_of(self, topic: str) -> str | None:
        """The name of the command that a topic is of; None for any other topic."""
        name = topic.removeprefix(f"{self.base}/commands/")
        return name if name != topic and "/" not in name else None

    def evidence(self, location: str | None, event: str) -> str:
        """The crop that an event rests on, as JPEG."""
        return f"{self.base}/locations/{location_level(location)}/evidence/{event}"

    def health(self, camera: str) -> str:
        """Retained: whether a camera delivers."""
        return f"{self.base}/cameras/{camera}/health"

    @lru_cache(maxsize=4096)  # noqa: B019 - an agent has one Topics, and asks with every event
    def state(self, location: str | None) -> str:
        """Retained: the current verdict."""
        return f"{self.base}/locations/{location_level(location)}/state"

    @lru_cache(maxsize=4096)  # noqa: B019 - as above
    def events(self, location: str | None) -> str:
        """Every change of verdict, in order."""
        return f"{self.base}/locations/{location_level(location)}/events"


def expected_topic(site: str, location: str) -> str:
    """Retained: what the WMS expects at a location. Only the WMS side publishes it."""
    return f"{ROOT}/{site}/expected/{location_level(location)}"


def location_of(topic: str) -> str | None:
    """The location's code of an expected-stock topic, in NFC; None for any other topic."""
    found = _EXPECTED.match(topic)
    return composed(location_code(found.group(2))) if found else None


def agents_filter(site: str) -> str:
    """The subscription that sees everything the agents of a site publish."""
    return f"{ROOT}/{site}/agents/#"


def expected_filter(site: str) -> str:
    """The subscription that sees the expected stock of a site."""
    return f"{ROOT}/{site}/expected/+"
