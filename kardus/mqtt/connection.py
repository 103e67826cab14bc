"""One connection to the broker, from CONNECT to its end. Never used again.

Every connection has a paho client of its own: what a client still held when its connection broke is sent again by the
outbox alone, so that nothing old overtakes what is newer.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.config.sections import MqttSection
from kardus.mqtt.sockets import send_at_once
from kardus.mqtt.tls import Stamp, client_context
from kardus.support.secrets import broker_password

MAX_IN_FLIGHT = 20
CONNECT_TIMEOUT_S = 5.0
"""For the TCP connection, and again for the broker's answer."""
FAREWELL_S = 2.0
SESSION_EXPIRY_S = 60
"""For how long the broker (MQTT 5) keeps the session of a lost connection: an `ack` or command sent meanwhile waits."""
WILL_DELAY_S = 5
"""How long the broker (MQTT 5) holds the will back: a link that comes back within it was never `offline`."""
_VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
_UNSUPPORTED_VERSION = 132


class Token(NamedTuple):
    """A message that was handed to the broker, until the broker has answered for it."""

    connection: int
    message: int


@dataclass(frozen=True)
class Incoming:
    """A message from the broker."""

    topic: str
    payload: bytes
    retained: bool = False
    response_topic: str = ""
    """Where the sender wants its answer (MQTT 5)."""
    correlation: bytes = b""
    """What the answer has to carry."""


@dataclass(frozen=True)
class Handlers:
    """Called from the session's threads; must return quickly and not raise."""

    on_connect: Callable[[int], None]
    """With the number of the connection."""
    on_message: Callable[[Incoming], None]
    on_acknowledged: Callable[[Token, bool], None]
    """What `publish` gave, and whether the broker took it."""


@dataclass(frozen=True)
class Identity:
    """As whom to connect."""

    client_id: str
    will: tuple[str, bytes] | None
    """Topic and payload that the broker publishes, retained, when the connection is lost."""


class Connection:
    """A paho client for one connection. `changed` is called whenever one of the public attributes has changed."""

    def __init__(
        self,
        settings: MqttSection,
        identity: Identity,
        handlers: Handlers,
        changed: Callable[[], None],
        *,
        version: str,
        number: int,
        resume: bool = False,
    ) -> None:
        """Prepare; `open` connects.

        Args:
            settings: the broker.
            identity: client id and will.
            handlers: what to tell of the connection.
            changed: called whenever a public attribute has changed.
            version: "5" or "3.1.1".
            number: counts the session's connections.
            resume: whether the broker may go on with the session of an earlier connection (MQTT 5 only).
        """
        self.version = version
        self.number = number
        self._resume = resume
        self.answer: ReasonCode | None = None
        """What the broker said to CONNECT; None while it has said nothing."""
        self.ended = threading.Event()
        self.subscribed: dict[int, list[ReasonCode]] = {}
        """The broker's answers to subscriptions, by their number."""
        self.received = 0
        """How many messages have come."""
        self.tls_stamp: Stamp = ()
        """The certificates that the connection was made with."""
        self._settings = settings
        self._handlers = handlers
        self._changed = changed
        self._client = self._new_client(identity)

    @property
    def accepted(self) -> bool:
        """Whether the broker accepted the connection, and it stands."""
        return self.answer is not None and not self.answer.is_failure and not self.ended.is_set()

    @property
    def lacks_version(self) -> bool:
        """Whether the broker doesn't speak this version: it says so, hangs up, or says nothing at all."""
        return self.answer is None or self.answer.value == _UNSUPPORTED_VERSION

    @property
    def silence(self) -> str:
        """What to say where the broker didn't answer. Of a certificate that it refuses, it may tell in no other way."""
        return "gave no answer" + (", as if it refused our certificate" if self._settings.certificate_file else "")

    def open(self) -> None:
        """Connect and send CONNECT.

        paho asks after its keepalive, waits as long again for the answer, and looks at both times once a second: with
        two thirds of what is configured, silence is noticed after about one and a half times of that.

        Raises:
            OSError: nothing listens there, the name is unknown, or TLS fails: nothing is sent then.
            ValueError: host or port can't be used.
            ConfigError: a certificate, key, list or password can't be used.
        """
        files = self._settings.tls_files
        if files is not None:
            self.tls_stamp = files.stamp()
            self._client.tls_set_context(client_context(files))
        if self._settings.username is not None:
            self._client.username_pw_set(self._settings.username, _password(self._settings))
        keepalive_s = max(1, self._settings.keepalive_s * 2 // 3)
        self._client.connect(self._settings.host, self._settings.port, keepalive_s, **self._session_options())
        self._client.loop_start()

    def subscribe(self, topics: Sequence[str]) -> int | None:
        """Subscribe to topic filters (QoS 1); the number under which `subscribed` will hold the answer."""
        rc, number = self._client.subscribe([(topic, 1) for topic in topics])
        return number if rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def unsubscribe(self, topics: Sequence[str]) -> None:
        """Take subscriptions back."""
        self._client.unsubscribe(list(topics))

    def publish(self, topic: str, payload: bytes, *, retain: bool, correlation: bytes = b"") -> Token | None:
        """Hand a message to the broker (QoS 1). None when it could not be handed over."""
        more = None
        if correlation and self.version == "5":
            more = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            more.CorrelationData = correlation
        info = self._client.publish(topic, payload, qos=1, retain=retain, properties=more)
        return Token(self.number, info.mid) if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def say_farewell(self, topic: str, payload: bytes) -> None:
        """Publish a last retained message, and wait a moment until the broker has it."""
        info = self._client.publish(topic, payload, qos=1, retain=True)
        if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            info.wait_for_publish(FAREWELL_S)

    def give_up(self) -> None:
        """Count it as lost, whatever its socket does; `close` follows from the session's thread."""
        self.ended.set()
        self._changed()

    def close(self) -> None:
        """Disconnect, cleanly where the broker still listens; free the socket and the thread."""
        if self._client.disconnect() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self.ended.wait(FAREWELL_S)
        left = self._client.socket()
        if isinstance(left, socket.socket):
            with contextlib.suppress(OSError):
                left.shutdown(socket.SHUT_RDWR)  # a broker that hangs would keep paho's thread until the keepalive
        self._client.loop_stop()

    def _session_options(self) -> dict[str, Any]:
        """What CONNECT says of the session: in 3.1.1 it is always a new one."""
        if self.version != "5":
            return {}
        more = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        more.SessionExpiryInterval = SESSION_EXPIRY_S
        return {"clean_start": not self._resume, "properties": more}

    def _new_client(self, identity: Identity) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=identity.client_id,
            protocol=_VERSIONS[self.version],
            clean_session=True if self.version == "3.1.1" else None,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(MAX_IN_FLIGHT)
        if identity.will:
            topic, payload = identity.will
            client.will_set(topic, payload, qos=1, retain=True, properties=self._will_options())
        client.on_socket_open = send_at_once
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        return client

    def _will_options(self) -> Properties | None:
        if self.version != "5":
            return None
        more = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
        more.WillDelayInterval = WILL_DELAY_S
        return more

    def _on_connect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _more: Any) -> None:
        self.answer = reason
        self._changed()

    def _on_disconnect(self, *_: object) -> None:
        self.ended.set()
        self._changed()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self.received += 1
        more = message.properties
        self._handlers.on_message(
            Incoming(
                message.topic,
                bytes(message.payload),
                bool(message.retain),
                str(getattr(more, "ResponseTopic", "")),
                bytes(getattr(more, "CorrelationData", b"")),
            )
        )

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, number: int, reasons: list[ReasonCode], _more: Properties | None
    ) -> None:
        self.subscribed[number] = reasons
        self._changed()

    def _on_publish(
        self, _client: paho.Client, _data: Any, number: int, reason: ReasonCode, _more: Properties | None
    ) -> None:
        self._handlers.on_acknowledged(Token(self.number, number), not reason.is_failure)


def require_usable(settings: MqttSection) -> None:
    """See before the first connection that password and certificates can be used.

    Raises:
        ConfigError: one of them can't be; the message names the key.
    """
    _password(settings)
    if settings.tls_files is not None:
        client_context(settings.tls_files)


def _password(settings: MqttSection) -> str | None:
    return broker_password("mqtt.password_file", settings.password_file)
