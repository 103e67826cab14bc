"""What the agent publishes about itself: its status, Home Assistant's discovery, and replies to commands."""

import json
from collections.abc import Callable, Sequence

from edge_agent.config import Config
from edge_agent.config.sections import HomeAssistantSection
from kardus import __version__
from kardus.contract.commands import Reply
from kardus.contract.homeassistant import discovery_document, discovery_topic, status_topic
from kardus.contract.topics import Topics, expected_topic
from kardus.mqtt.connection import Subscription
from kardus.mqtt.session import MqttSession


class Announcer:
    """Owned by the agent's thread, but for `publish_status`."""

    def __init__(
        self,
        topics: Topics,
        session: MqttSession,
        status: Callable[[str], tuple[str, bytes]],
        store: Callable[[str, bytes], None],
    ) -> None:
        """`status` gives topic and payload for a trouble; `store` puts a retained message into the outbox."""
        self._topics = topics
        self._session = session
        self._status = status
        self._store = store
        self.trouble = ""
        """What the agent can't do now, published with its status."""

    def publish_status(self, connection: int | None = None) -> None:
        """Publish the agent's status: over this connection, else over the present one, if there is one."""
        connection = self._session.connection if connection is None else connection
        if connection is not None:
            self._session.publish(connection, *self._status(self.trouble), retain=True)

    def publish_discovery(
        self, home: HomeAssistantSection, locations: Sequence[str], cameras: Sequence[str], gone: Sequence[str] = ()
    ) -> None:
        """Store Home Assistant's discovery document, if it is wanted; `gone` are locations that are no more."""
        if home.discovery:
            document = discovery_document(self._topics, __version__, locations, cameras, gone)
            self._store(discovery_topic(home.prefix, self._topics), json.dumps(document).encode())

    def reply(self, topic: str, correlation: bytes, reply: Reply) -> None:
        """Answer a command over the present connection, or not at all; nobody waits for a late answer."""
        connection = self._session.connection
        if topic and connection is not None:
            payload = reply.model_dump_json().encode()
            self._session.publish(connection, topic, payload, retain=False, correlation=correlation)


def agent_subscriptions(config: Config, topics: Topics, locations: Sequence[str]) -> list[Subscription]:
    """Every topic that an agent subscribes to."""
    home = config.homeassistant
    expected = [expected_topic(config.agent.site, location) for location in locations]
    found = [topics.commands_filter, topics.ack, *expected, *([status_topic(home.prefix)] if home.discovery else [])]
    return [(topic, 1) for topic in found]
