"""What the agent says of itself, and to whom: status, health, replies, Home Assistant. Belongs to the wiring."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from edge_agent.cameras import Cameras
from edge_agent.config import Config
from edge_agent.control.commands import Answer
from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.deciding.recorder import Recorder
from kardus import __version__
from kardus.contract.homeassistant import discovery_document, discovery_topic, status_topic
from kardus.contract.topics import Topics, expected_topic
from kardus.mqtt.connection import Subscription
from kardus.mqtt.session import MqttSession


class Announcer:
    """Owned by the agent's thread, but for `say_online`."""

    def __init__(
        self, topics: Topics, writer: MessageWriter, recorder: Recorder, cameras: Cameras, session: MqttSession
    ) -> None:
        """Keep whom to ask and whom to tell."""
        self._topics = topics
        self._writer = writer
        self._recorder = recorder
        self._cameras = cameras
        self._session = session
        self.trouble = ""
        """What the agent can't do now, to be told with its status."""

    def say_online(self, connection: int) -> None:
        """The agent is there: over this connection, at once."""
        epoch, sequence = self._recorder.position
        topic, payload = self._writer.online(
            len(self._cameras.locations),
            __version__,
            datetime.now(UTC),
            epoch=epoch,
            sequence=sequence,
            reason=self.trouble,
        )
        self._session.publish(connection, topic, payload, retain=True)

    def say_status(self) -> None:
        """The agent's status once more, over the present connection, if there is one."""
        if (connection := self._session.connection) is not None:
            self.say_online(connection)

    def say_all(self) -> None:
        """Status and health once more."""
        self.say_status()
        for camera in self._cameras.values():
            if camera.status is not None:
                self._recorder.record_health(camera.health(camera.status))

    def introduce(self, config: Config, gone: Sequence[str] = ()) -> None:
        """Tell Home Assistant what there is, and which locations are gone, where it is wanted."""
        home = config.homeassistant
        if home.discovery:
            document = discovery_document(self._topics, __version__, self._cameras.locations, list(self._cameras), gone)
            self._recorder.record_retained(discovery_topic(home.prefix, self._topics), json.dumps(document).encode())

    def forget_others(self, config: Config) -> None:
        """Clear the topics of what isn't configured any more."""
        home = config.homeassistant
        kept = [discovery_topic(home.prefix, self._topics)] if home.discovery else []
        self._recorder.forget_others(self._topics, self._cameras.locations, self._cameras, kept)

    def reply(self, found: Answer) -> None:
        """Whoever has sent a command is told over the present connection, or not at all."""
        connection = self._session.connection
        if found.topic and connection is not None:
            payload = found.reply.model_dump_json().encode()
            self._session.publish(connection, found.topic, payload, retain=False, correlation=found.correlation)


def subscriptions(config: Config, topics: Topics, locations: Sequence[str]) -> list[Subscription]:
    """Everything that an agent listens to."""
    home = config.homeassistant
    expected = [expected_topic(config.agent.site, location) for location in locations]
    found = [topics.commands_filter, topics.ack, *expected, *([status_topic(home.prefix)] if home.discovery else [])]
    return [(topic, 1) for topic in found]
