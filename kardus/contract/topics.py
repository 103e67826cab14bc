"""The MQTT topics, under `kardus/v1/{site}`."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from pydantic import StringConstraints

from kardus.contract.mqtt_text import NO_TEXT, is_text

ROOT = "kardus/v1"
_FORBIDDEN = rf"/+#{NO_TEXT}"
ID_PATTERN = rf"^[^\s${_FORBIDDEN}][^{_FORBIDDEN}]{{0,99}}$"


def is_id(text: str) -> bool:
    """Whether a name may stand in a topic."""
    return re.fullmatch(ID_PATTERN, text) is not None and is_text(text)


Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
"""A name that may stand in a topic: no `/`, `+`, `#` or control characters, no `$` or space at the start."""

_EXPECTED = re.compile(rf"^{ROOT}/([^/]+)/expected/([^/]+)$")


@dataclass(frozen=True)
class Topics:
    """The topics of one agent at one site."""

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

    def evidence(self, location: str, event: str) -> str:
        """The crop that an event rests on, as JPEG."""
        return f"{self.base}/locations/{location}/evidence/{event}"

    def health(self, camera: str) -> str:
        """Retained: whether a camera delivers."""
        return f"{self.base}/cameras/{camera}/health"

    @lru_cache(maxsize=4096)  # noqa: B019 - an agent has one Topics, and asks with every event
    def state(self, location: str) -> str:
        """Retained: the current verdict."""
        return f"{self.base}/locations/{location}/state"

    @lru_cache(maxsize=4096)  # noqa: B019 - as above
    def events(self, location: str) -> str:
        """Every change of verdict, in order."""
        return f"{self.base}/locations/{location}/events"


def expected_topic(site: str, location: str) -> str:
    """Retained: what the WMS expects at a location. Only the WMS side publishes it."""
    return f"{ROOT}/{site}/expected/{location}"


def location_of(topic: str) -> str | None:
    """The location of an expected-stock topic; None for any other topic."""
    found = _EXPECTED.match(topic)
    return found.group(2) if found else None


def agents_filter(site: str) -> str:
    """The subscription that sees everything the agents of a site publish."""
    return f"{ROOT}/{site}/agents/#"


def expected_filter(site: str) -> str:
    """The subscription that sees the expected stock of a site."""
    return f"{ROOT}/{site}/expected/+"
