"""One connection to the broker, from CONNECT to its end. Never used again.

Every connection has a paho client of its own. What a client still held when its connection broke is sent again by the
outbox alone, so that nothing old overtakes what is newer; and the acknowledgement of a message from an earlier
connection goes nowhere, since its number may be another message's by now.
"""

import contextlib
import errno
import functools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from kardus.mqtt.batch_client import BatchClient, PublishPacket
from kardus.mqtt.content_type import content_type
from kardus.mqtt.incoming import Incoming, Puback, nothing
from kardus.mqtt.limits import BrokerLimits, limits_of
from kardus.mqtt.reasons import GIVEN_UP, Ending, ending, refusal
from kardus.mqtt.settings import BrokerSettings
from kardus.mqtt.tls import FileStamps, explain

MAX_IN_FLIGHT = 20
CONNECT_TIMEOUT_S = 5.0
"""For the TCP connection, and again for the broker's answer."""
ANSWER_POLL_S = 0.02
"""How often paho is asked whether the broker has answered."""
SENT_S = 0.2
"""So long a farewell is let to be sent, however late it is."""
WILL_DELAY_S = 5
"""How long the broker (MQTT 5) holds the will back: a link that comes back within it was never `offline`."""
NEVER_SUBSCRIBED = "kardus/question"
"""A filter that nobody subscribes to: UNSUBSCRIBE for it is a probe, which the broker answers and nothing changes."""
_UNSUPPORTED_VERSION = 132
NO_SOCKET = "no socket left on this machine"
_NO_SOCKET = {errno.EADDRINUSE, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
Subscription = tuple[str, int]
"""Topic filter and QoS."""


class PublishToken(NamedTuple):
    """A message that was handed to the broker, until the broker has acknowledged or refused it."""

    connection: int
    message: int


@dataclass(frozen=True)
class Handlers:
    """Called from the session's threads; must return quickly and not raise: a connection ends when one raises."""

    on_connect: Callable[[int], None] = nothing
    """With the number of the connection."""
    on_message: Callable[[Incoming], None] = nothing
    on_acknowledged: Callable[[PublishToken, str], None] = nothing
    """What `publish` gave, and why the broker refused it; empty: it took it."""
    on_lost: Callable[[int, Ending], None] = nothing
    """With the number of a connection that has ended, and why; not where it was stopped."""


@dataclass(frozen=True)
class Options:
    """What CONNECT asks of the broker."""

    will: tuple[str, bytes] | None = None
    """Topic and payload that the broker publishes, retained, when the connection is lost."""
    persistent: bool = False
    """Go on with the broker's session of an earlier run of this client id; else only of an earlier connection (5)."""
    expiry_s: int = 0
    """How long the broker (MQTT 5) keeps the session, and queues messages, while nobody is connected."""
    receive_maximum: int | None = None
    """Messages on their way and not acknowledged (MQTT 5); None: as many as the broker likes."""
    manual_ack: bool = False
    """Messages are acknowledged by `Incoming.acknowledge` alone."""
    shared: bool = False
    """Some subscriptions are shared: a broker that doesn't say that it serves such (MQTT 5) is of no use."""


class Connection:
    """A paho client for one connection. `changed` is called whenever one of the public attributes has changed."""

    def __init__(
        self,
        settings: BrokerSettings,
        client_id: str,
        options: Options,
        handlers: Handlers,
        changed: Callable[[], None],
        *,
        version: str,
        number: int,
        clean_start: bool,
    ) -> None:
        """Prepare; `open` connects.

        Args:
            settings: the broker.
            client_id: under which the broker keeps the session.
            options: what CONNECT asks for.
            handlers: what to tell of the connection.
            changed: called whenever a public attribute has changed.
            version: "5" or "3.1.1".
            number: counts the session's connections.
            clean_start: whether the broker is to forget an earlier session (MQTT 5; in 3.1.1 it keeps persistent ones).
        """
        self.version = version
        self.number = number
        self.answer: ReasonCode | None = None
        """What the broker said to CONNECT; None while it has said nothing."""
        self.found_session = False
        """Whether the broker had kept the session."""
        self.answer_text = ""
        """The same in words, where it refused."""
        self.shares = False
        """Whether the broker serves shared subscriptions, for all that it says: MQTT 3.1.1 has none."""
        self.limits = BrokerLimits()
        """What the broker said that it takes no more of."""
        self.ending: Ending = GIVEN_UP
        """Why the connection ended."""
        self.ended = threading.Event()
        self.subscribed: dict[int, list[str]] = {}
        """The broker's answers to subscriptions, by their number: why it refused each filter; empty: it took it."""
        self.received = 0
        """How many messages have come."""
        self.tls_stamp: FileStamps = ()
        """The certificates that the connection was made with."""
        self._settings, self._options, self._handlers = settings, options, handlers
        self._changed, self._clean_start, self._is_open = changed, clean_start, False
        self._network_thread: threading.Thread | None = None
        self._last: paho.MQTTMessageInfo | None = None  # of what was published last
        self._client = self._new_client(client_id)

    @property
    def is_over(self) -> bool:
        """Whether it has ended: paho says so, or its thread has died (of a callback that raised), which it doesn't."""
        thread = self._network_thread
        return self.ended.is_set() or (thread is not None and not thread.is_alive())

    @property
    def was_accepted(self) -> bool:
        """Whether the broker accepted the connection."""
        return self.answer is not None and not self.answer.is_failure

    @property
    def accepted(self) -> bool:
        """Whether the broker accepted the connection, and it stands."""
        return self.was_accepted and not self.is_over

    @property
    def lacks_version(self) -> bool:
        """Whether the broker doesn't speak this version: it says so, hangs up, or says nothing at all."""
        return self._is_open and (self.answer is None or self.answer.value == _UNSUPPORTED_VERSION)

    @property
    def refusal(self) -> str:
        """How the broker refused. Of a certificate that it refuses, it may tell in no other way than by silence."""
        if self.was_accepted:
            return (
                f"serves no {self.limits.missing_features}, without which nothing works: let it, or take another broker"
            )
        if self.answer is not None:
            return f"refused the connection: {self.answer_text} (MQTT {self.version})"
        tls = self._settings.tls
        cause = ", as if it refused our certificate" if tls is not None and tls.certificate_file else ""
        return f"gave no answer{cause} (MQTT {self.version})"

    def open(self) -> str:
        """Connect and send CONNECT; why that can't be done, empty where it was: then the answer follows.

        paho asks after its keepalive, waits as long again for the answer, and looks at both times once a second: with
        two thirds of what is configured, silence is noticed after about one and a half times of that.

        Raises:
            ConfigError: a certificate, key, list or password can't be used.
        """
        settings = self._settings
        if settings.tls is not None:
            self.tls_stamp = settings.tls.stamp()
            self._client.tls_set_context(settings.context())
        if settings.username is not None:
            self._client.username_pw_set(settings.username, settings.password())
        try:
            self._client.connect(
                settings.host, settings.port, max(1, settings.keepalive_s * 2 // 3), **self._session_options()
            )
            self._client.loop_start()  # it opens sockets of its own, to be woken by
        except (OSError, ValueError) as error:  # ValueError: a text that can't be a host's name
            return _why_not_open(error)
        self._is_open = True
        return ""

    def subscribe(self, subscriptions: Sequence[Subscription]) -> int | None:
        """Subscribe; the number under which `subscribed` will hold the answer."""
        rc, number = self._client.subscribe(list(subscriptions))
        return number if rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def ask(self) -> PublishToken | None:
        """Ask something that the broker answers at once, and that changes nothing; `on_acknowledged` gets the answer.

        None when it could not be asked.
        """
        rc, number = self._client.unsubscribe(NEVER_SUBSCRIBED)
        return (
            PublishToken(self.number, number) if rc == MQTTErrorCode.MQTT_ERR_SUCCESS and number is not None else None
        )

    def unsubscribe(self, topics: Sequence[str]) -> None:
        """Take subscriptions back."""
        self._client.unsubscribe(list(topics))

    def publish(self, topic: str, payload: bytes, *, retain: bool, correlation: bytes = b"") -> PublishToken | None:
        """Hand a message to the broker (QoS 1). None when it could not be handed over."""
        more = {"CorrelationData": correlation} if correlation else {}
        info = self._publish(topic, payload, retain=retain, **more)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return None
        self._last = info
        return PublishToken(self.number, info.mid)

    def give_up(self) -> None:
        """Count it as lost, whatever its socket does; `close` follows from the session's thread."""
        self.ended.set()
        self._changed()

    def close(self, within_s: float) -> None:
        """Disconnect, cleanly where the broker still listens; free the socket and the thread.

        The broker answers what was published before: to a closed socket it can't, and drops what it hasn't read yet.
        It is waited for at most so many seconds, and SENT_S more.
        """
        until_s = time.monotonic() + within_s
        last = self._last
        if last is not None and self.was_accepted:
            self._await(last.is_published, until_s)
        if self._client.disconnect() == MQTTErrorCode.MQTT_ERR_SUCCESS and self._is_open:
            self._await(self.ended.is_set, max(until_s, time.monotonic() + SENT_S))
        left = self._client.socket()
        if isinstance(left, socket.socket):
            with contextlib.suppress(OSError):
                left.shutdown(socket.SHUT_RDWR)  # a broker that hangs would keep paho's thread until the keepalive
        with contextlib.suppress(AttributeError):  # paho looks twice for its thread, which may end in between
            self._client.loop_stop()
        self._let_go()

    def _let_go(self) -> None:
        """Paho and this hold each other, and so paho's sockets, until Python collects garbage: seldom."""
        client = self._client
        client.on_connect = client.on_disconnect = client.on_message = client.on_publish = None
        client.on_subscribe = client.on_unsubscribe = None
        if isinstance(client, BatchClient):
            client.on_messages = nothing

    def _await(self, condition: Callable[[], bool], until_s: float) -> None:
        """Wait until it holds, the connection is over, or it is so late (monotonic): paho's own waits see no loss."""
        while not (condition() or self.is_over) and time.monotonic() < until_s:
            self.ended.wait(ANSWER_POLL_S)

    def _session_options(self) -> dict[str, Any]:
        """What CONNECT says of the session: in 3.1.1 the client was made with it."""
        if self.version != "5":
            return {}
        more = {"SessionExpiryInterval": self._options.expiry_s}
        if self._options.receive_maximum is not None:
            more["ReceiveMaximum"] = self._options.receive_maximum
        return {"clean_start": self._clean_start, "properties": self._properties(PacketTypes.CONNECT, **more)}

    def _publish(self, topic: str, payload: bytes, *, retain: bool, **more: Any) -> paho.MQTTMessageInfo:
        kind = content_type(payload)
        plain = self.version == "5" and not more
        properties = _of_type(kind) if plain else self._properties(PacketTypes.PUBLISH, ContentType=kind, **more)
        return self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)

    def _properties(self, kind: int, **values: Any) -> Properties | None:
        """Properties of a packet, without those that are empty texts; None in MQTT 3.1.1, which has none."""
        return _properties_of(kind, **values) if self.version == "5" else None

    def _new_client(self, client_id: str) -> paho.Client:
        is_5 = self.version == "5"
        words: dict[str, Any] = {
            "callback_api_version": CallbackAPIVersion.VERSION2,
            "client_id": client_id,
            "protocol": MQTTProtocolVersion.MQTTv5 if is_5 else MQTTProtocolVersion.MQTTv311,
            "clean_session": None if is_5 else not self._options.persistent,
            "reconnect_on_failure": False,
        }
        by_hand = self._options.manual_ack
        client = BatchClient(self._on_messages, **words) if by_hand else paho.Client(**words)
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(MAX_IN_FLIGHT)
        if self._options.will:
            topic, payload = self._options.will
            told = {"WillDelayInterval": WILL_DELAY_S, "ContentType": content_type(payload)}
            client.will_set(
                topic, payload, qos=1, retain=True, properties=self._properties(PacketTypes.WILLMESSAGE, **told)
            )
        client.on_socket_open = _send_at_once
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        return client

    def _on_connect(
        self, client: paho.Client, _data: Any, flags: paho.ConnectFlags, reason: ReasonCode, more: Any
    ) -> None:
        self._network_thread = threading.current_thread()
        self.found_session = flags.session_present
        self.answer_text = refusal(reason, more)
        self.shares = self.version == "5" and getattr(more, "SharedSubscriptionAvailable", 1) == 1
        self.limits = limits_of(more)
        # paho doesn't read the broker's word on it, and its setter is for later connections; nothing was published yet
        client._max_inflight_messages = min(MAX_IN_FLIGHT, self.limits.in_flight or MAX_IN_FLIGHT)  # noqa: SLF001
        self.answer = reason
        self._changed()

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, flags: paho.DisconnectFlags, reason: ReasonCode | None, more: Any
    ) -> None:
        self.ending = ending(reason, more, by_broker=flags.is_disconnect_packet_from_server)
        self.ended.set()
        self._changed()

    def _on_message(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self.received += 1
        try:
            topic = message.topic
        except UnicodeDecodeError:  # paho gives it as it came
            topic = ""
        more = message.properties
        self._handlers.on_message(
            Incoming(
                topic,
                bytes(message.payload),
                bool(message.retain),
                str(getattr(more, "ResponseTopic", "")),
                bytes(getattr(more, "CorrelationData", b"")),
                functools.partial(client.ack, message.mid, message.qos),
            )
        )

    def _on_messages(self, client: BatchClient, messages: list[PublishPacket]) -> None:
        self.received += len(messages)
        for topic, payload, retained, number in messages:
            acknowledge: Callable[[], object] = Puback(client, number) if number else nothing
            self._handlers.on_message(Incoming(topic, payload, retained, acknowledge=acknowledge))

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, number: int, reasons: list[ReasonCode], more: Properties | None
    ) -> None:
        self.subscribed[number] = [refusal(reason, more) if reason.is_failure else "" for reason in reasons]
        self._changed()

    def _on_unsubscribe(self, _client: paho.Client, _data: Any, number: int, _reasons: Any, _more: Any) -> None:
        self._handlers.on_acknowledged(PublishToken(self.number, number), "")

    def _on_publish(
        self, _client: paho.Client, _data: Any, number: int, reason: ReasonCode, more: Properties | None
    ) -> None:
        self._handlers.on_acknowledged(
            PublishToken(self.number, number), refusal(reason, more) if reason.is_failure else ""
        )


def _properties_of(kind: int, **values: Any) -> Properties:
    properties = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        if value != "":
            setattr(properties, name, value)
    return properties


@functools.cache
def _of_type(media_type: str) -> Properties:
    """A message's properties where it has no others: paho only reads them, and takes long to make them."""
    return _properties_of(PacketTypes.PUBLISH, ContentType=media_type)


def _why_not_open(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.errno in _NO_SOCKET:
        return f"{NO_SOCKET} ({explain(error)}): end what takes them, or raise its limits"
    found = "no secure connection" if isinstance(error, ssl.SSLError) else "no broker there"
    return f"{found} ({explain(error)})"


def _send_at_once(_client: object, _userdata: object, opened: Any) -> None:
    """Paho's `on_socket_open`: small messages don't wait for one another's acknowledgement (Nagle, RFC 896; 40 ms)."""
    if isinstance(opened, socket.socket):
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
