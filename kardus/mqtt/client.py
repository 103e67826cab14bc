"""An MQTT client for commands that wait: connected or refused, published or refused, subscribed from the beginning."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Self

from kardus.mqtt.connection import NO_SOCKET, Handlers, PublishToken, Subscription
from kardus.mqtt.reasons import Ending
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError
from kardus.support.identifiers import uuid7

READY_TIMEOUT_S = 25.0
"""Two versions of MQTT, each with a TCP connection and an answer; and a subscription."""
TRIES_MORE = 1
"""After a connection that the broker accepted and lost without a word; three would look like a client of this name."""
PUBLISH_TIMEOUT_S = 60.0
"""A broker that answers nothing for so long takes nothing more; a connection that is lost is noticed before."""
ENDING_TIMEOUT_S = 1.0
"""A connection that is gone is known to be before it is known why."""
MAX_UNACKNOWLEDGED = 1000
"""So many messages may be on their way: paho refuses more than 65,535, and brokers drop what they have no room for."""


class MqttClient:
    """A session that is connected; it connects and subscribes again by itself. Use it in a `with` statement."""

    def __init__(
        self,
        settings: BrokerSettings,
        subscriptions: Sequence[Subscription] = (),
        on_message: Callable[[str, bytes], None] = lambda *_: None,
        *,
        on_retained: Callable[[str, bytes], None] | None = None,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        """Connect and subscribe to (filter, QoS) pairs; `on_message` gets topic and payload.

        What the broker has retained, and gives with the subscription, goes to `on_retained` where there is one.
        `on_lost` is called, from another thread, when a connection is lost.

        Raises:
            BrokerError: the broker cannot be reached, refuses the connection, or doesn't answer.
            ConfigError: the password or a certificate can't be used.
        """
        self._answers: dict[PublishToken, str] = {}
        self._endings: dict[int, Ending] = {}
        """Why connections were lost, by their numbers."""
        self._answered = threading.Condition()
        self._on_lost = on_lost
        self._session = MqttSession(settings, f"kardus-{uuid7()}", subscriptions)
        self._session.start(
            Handlers(
                on_message=lambda message: ((message.retained and on_retained) or on_message)(
                    message.topic, message.payload
                ),
                on_acknowledged=self._acknowledged,
                on_lost=self._lost,
            )
        )
        self._require_subscribed(settings)

    @property
    def version(self) -> str:
        """The protocol version: "5" or "3.1.1"."""
        return self._session.version

    @property
    def is_subscribed(self) -> bool:
        """Whether the broker has answered every subscription."""
        return self._session.is_subscribed

    @property
    def connection(self) -> int | None:
        """The number of the present connection; None while there is none."""
        return self._session.connection

    @property
    def problem(self) -> str:
        """Why there is no connection now; empty while there is one."""
        return "" if self._session.connected else self._session.problem

    def use(self, subscriptions: Sequence[Subscription]) -> None:
        """Other (filter, QoS) pairs; returns at once."""
        self._session.use(subscriptions)

    def publish(
        self, messages: Iterable[tuple[str, bytes]], *, retain: bool, on_step: Callable[[], None] = lambda: None
    ) -> None:
        """Publish topics with payloads (QoS 1) and wait until the broker has them all; `on_step` is called for each.

        Raises:
            BrokerError: the broker refuses one, or doesn't take it in time. Those before it are published.
        """
        connection = self._session.connection or 0
        sent: deque[tuple[str, PublishToken | None]] = deque()
        for topic, payload in messages:
            if len(sent) == MAX_UNACKNOWLEDGED:
                self._require_taken(*sent.popleft(), connection)
                on_step()
            sent.append((topic, self._session.publish(connection, topic, payload, retain=retain)))
        for topic, token in sent:
            self._require_taken(topic, token, connection)
            on_step()

    def send(self, topic: str, payload: bytes) -> None:
        """Publish a message that isn't retained (QoS 1), and don't wait; without a connection it is lost."""
        self._session.publish(self._session.connection or 0, topic, payload, retain=False)

    def _require_subscribed(self, settings: BrokerSettings) -> None:
        session = self._session
        session.wait_for(
            lambda: session.is_subscribed or session.failures > min(session.cut_short, TRIES_MORE), READY_TIMEOUT_S
        )
        if session.is_subscribed:
            return
        problem = session.problem or f"{settings.address} doesn't answer a subscription"
        self.close()
        host, port, username = (settings.name(key) for key in ("host", "port", "username"))
        has_remedy = session.missing_features or NO_SOCKET in problem
        raise BrokerError(problem if has_remedy else f"{problem}: start it, or correct {host}, {port} and {username}")

    def _require_taken(self, topic: str, token: PublishToken | None, connection: int) -> None:
        """Wait for the broker's answer. None: the connection was gone when it was to be published."""
        limit_s = PUBLISH_TIMEOUT_S if token else ENDING_TIMEOUT_S if connection else 0.0
        with self._answered:
            self._answered.wait_for(lambda: token in self._answers or connection in self._endings, limit_s)
            refusal, ending = self._answers.pop(token, None) if token else None, self._endings.get(connection)
        if refusal is None and ending:
            raise BrokerError(
                f"{topic}: not published, the connection was lost ({ending.text}): try again, and where it is lost "
                "there again look at the broker's log and limits (docs/brokers.md)"
            )
        if token is None:
            raise BrokerError(f"{topic}: not published (there is no connection): try again")
        if refusal is None:
            raise BrokerError(f"{topic}: the broker did not take it within {PUBLISH_TIMEOUT_S:.0f} s: try again")
        if refusal:
            raise BrokerError(f"{topic}: the broker refused it ({refusal}): check the user's rights")

    def close(self) -> None:
        """Disconnect."""
        self._session.stop()

    def __enter__(self) -> Self:
        """Nothing more to do: it is connected."""
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self.close()

    def _lost(self, connection: int, ending: Ending) -> None:
        with self._answered:
            self._endings[connection] = ending
            self._answered.notify_all()
        self._on_lost()

    def _acknowledged(self, token: PublishToken, refusal: str) -> None:
        with self._answered:
            self._answers[token] = refusal
            self._answered.notify_all()
