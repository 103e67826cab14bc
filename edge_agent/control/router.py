"""What the agent subscribes to, and where its messages go: expected stock, commands, acknowledgements."""

import logging
from collections.abc import Callable, Sequence

from edge_agent.config import Config
from edge_agent.control.commands import CommandRequest
from edge_agent.records import ExpectedMessage, HomeAssistantOnline
from kardus.contract.homeassistant import ONLINE, status_topic
from kardus.contract.receipts import Ack
from kardus.contract.topics import ROOT, Topics, expected_topic, location_of
from kardus.mqtt.connection import Options, Subscription
from kardus.mqtt.incoming import Incoming
from kardus.mqtt.session import MqttSession
from kardus.support.control_characters import escaped
from kardus.support.spelling import decomposed

SESSION_EXPIRY_S = 60
"""For how long the broker (MQTT 5) keeps the session of a lost connection: an `ack` or command sent meanwhile waits."""
MAX_ACK_BYTES = 200_000
Input = ExpectedMessage | CommandRequest | HomeAssistantOnline
"""What the agent's thread gets from the broker."""
log = logging.getLogger("kardus.router")


def agent_session(config: Config, topics: Topics, locations: Sequence[str], will: tuple[str, bytes]) -> MqttSession:
    """The agent's connection to the broker, which tells by itself when it is lost: by `will`."""
    options = Options(will=will, expiry_s=SESSION_EXPIRY_S)
    name = f"kardus-{config.agent.site}-{config.agent.name}"
    return MqttSession(config.mqtt.broker, name, agent_subscriptions(config, topics, locations), options)


def agent_subscriptions(config: Config, topics: Topics, locations: Sequence[str]) -> list[Subscription]:
    """Every topic that an agent subscribes to."""
    home = config.homeassistant
    spelt = dict.fromkeys(way for location in locations for way in (location, decomposed(location)))
    expected = [expected_topic(config.agent.site, location) for location in spelt]
    found = [topics.commands_filter, topics.ack, *expected, *([status_topic(home.prefix)] if home.discovery else [])]
    return [(topic, 1) for topic in found]


class MessageRouter:
    """Called from the session's thread: hands every message on at once."""

    def __init__(
        self,
        topics: Topics,
        hand_over: Callable[[Input], None],
        confirmed: Callable[[Ack], None],
        on_refused_ack: Callable[[], None] = lambda: None,
    ) -> None:
        """`hand_over` gets what the agent's thread deals with, `confirmed` what the WMS has stored.

        `on_refused_ack` counts what can't be read of the latter.
        """
        self._topics = topics
        self._hand_over = hand_over
        self._confirmed = confirmed
        self._on_refused_ack = on_refused_ack
        self._knows_strays = False
        """Whether somebody was told that topics come which nobody subscribed to."""

    def route(self, message: Incoming) -> None:
        """Hand one message on by its topic."""
        location, command = location_of(message.topic), self._topics.command_of(message.topic)
        if location is not None:
            self._hand_over(ExpectedMessage(location, message.payload))
        elif command is not None:
            self._hand_over(
                CommandRequest(command, message.payload, message.retained, message.response_topic, message.correlation)
            )
        elif message.topic == self._topics.ack:
            self._confirm(message.payload)
        elif message.payload == ONLINE:  # the one other topic that is subscribed to
            self._hand_over(HomeAssistantOnline())
        elif message.topic.startswith(f"{ROOT}/") and not self._knows_strays:
            self._knows_strays = True
            log.warning(
                "a message on %s, which nobody subscribed to, and others like it are passed over: does the broker "
                "change topics? See docs/brokers.md",
                escaped(message.topic),
            )

    def _confirm(self, payload: bytes) -> None:
        """The WMS side says what it has stored for good."""
        if not payload:
            return  # the topic was cleared
        try:
            if len(payload) > MAX_ACK_BYTES:
                raise ValueError(f"{len(payload)} bytes are too many")  # noqa: TRY301 - as anything else in it
            ack = Ack.model_validate_json(payload)
        except (ValueError, RecursionError):
            self._on_refused_ack()
            log.warning("an acknowledgement can't be read, and changes nothing: see Ack in docs/messages.md")
            return
        self._confirmed(ack)
