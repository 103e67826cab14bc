"""The receiver's session with the broker: persistent, acknowledged by hand, connected again whenever it breaks.

MQTT 5, or 3.1.1 where the broker has no 5. Every connection has a paho client of its own, so that the acknowledgement
of a message from an earlier connection goes nowhere: its number may be another message's by now.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from kardus.mqtt.sockets import send_at_once
from kardus.mqtt.tls import client_context, explain
from kardus.support.errors import ConfigError
from kardus.support.secrets import broker_password
from warehouse.receiving.connection import CONNECT_TIMEOUT_S, Broker

RECEIVE_MAXIMUM = 500
"""Messages on their way and not acknowledged: what one transaction takes at most."""
KEEPALIVE_S = 30
MAX_BACKOFF_S = 8.0
PORTION = 100
"""Topic filters a subscription."""
LOOK_S = 0.2
SHORT_S = 10.0
"""A connection that was accepted and lasted less ..."""
SUSPICIOUS = 3
"""... so many times in a row, is one that somebody else takes over each time."""
FAREWELL_S = 2.0
_UNSUPPORTED_VERSION = 132
_TAKEN_OVER = 142
log = logging.getLogger("kardus.receiver")


@dataclass(frozen=True)
class Incoming:
    """A message from the broker."""

    topic: str
    payload: bytes
    acknowledge: Callable[[], object]
    """Tells the broker that it is stored; over the connection that it came by, or not at all."""


class Session:
    """One thread that connects, and paho's own for each connection."""

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        subscriptions: Sequence[tuple[str, int]],
        on_message: Callable[[Incoming], None],
        on_connect: Callable[[], None],
        *,
        expiry_s: int,
    ) -> None:
        """Prepare; `start` begins. The callbacks are called from paho's thread and must not raise.

        Args:
            broker: where it is.
            client_id: under which the broker keeps the session.
            subscriptions: topic filters with their QoS.
            on_message: takes every message.
            on_connect: called when the broker has accepted a connection.
            expiry_s: how long the broker keeps the session, and queues messages, while nobody is connected.
        """
        self._broker = broker
        self._client_id = client_id
        self._subscriptions = list(subscriptions)
        self._on_message = on_message
        self._on_connect = on_connect
        self._expiry_s = expiry_s
        self._version = MQTTProtocolVersion.MQTTv5
        self._answer: ReasonCode | None = None
        self._answered = threading.Event()
        self._ended = threading.Event()
        self._stopping = threading.Event()
        self._client: paho.Client | None = None
        self._thread = threading.Thread(target=self._keep_connected, name="session", daemon=True)
        self.connected = False
        """Whether the broker has accepted the connection, and it stands."""
        self.problem = ""
        """Why there is no connection; empty while there is one."""
        self.taken_over = False
        """Whether another client has taken the session: two receivers of one name. The session has ended then."""

    def start(self) -> None:
        """Begin to connect; an absent broker is waited for."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether its thread is at work."""
        return self._thread.is_alive()

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Hand a message to the broker (QoS 1); False where there is no connection."""
        client = self._client
        if client is None or not self.connected:
            return False
        return client.publish(topic, payload, qos=1, retain=retain).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def stop(self) -> None:
        """Disconnect; the broker keeps the session. May be called twice."""
        self._stopping.set()
        self._answered.set()
        if self._thread.is_alive():
            self._thread.join()

    def _keep_connected(self) -> None:
        failures = 0
        while not self._stopping.is_set() and not self.taken_over:
            began_s = time.monotonic()
            accepted = self._connect_once()
            is_short = time.monotonic() - began_s < SHORT_S
            failures = failures + 1 if is_short or not accepted else 0
            if accepted and is_short and failures >= SUSPICIOUS:  # not every broker says that a session was taken over
                self.problem += "; is another receiver of this name running? Give each its own --name"
            if self.problem:
                log.warning("%s; trying again, nothing is lost", self.problem)
            pause = random.uniform(0, min(MAX_BACKOFF_S, 0.5 * 2 ** min(failures, 10)))
            self._stopping.wait(pause)

    def _connect_once(self) -> bool:
        """One connection from its beginning to its end; whether the broker had accepted it."""
        self._answered.clear()
        self._ended.clear()
        self._answer = None
        if self._stopping.is_set():
            return False
        try:
            client = self._new_client()  # a certificate or a password that was renewed is read again
            self._open(client)
        except (OSError, ValueError) as error:
            self.problem = f"{self._broker.host}:{self._broker.port}: no broker there ({explain(error)})"
            return False
        except ConfigError as error:
            self.problem = str(error)
            return False
        self._answered.wait(CONNECT_TIMEOUT_S)
        accepted = self._is_accepted()
        if accepted:
            self._watch()
        elif not self._stopping.is_set():
            self._note_refusal()
        self.connected = False
        self._close(client)
        return accepted

    def _is_accepted(self) -> bool:
        return self._answer is not None and not self._answer.is_failure

    def _close(self, client: paho.Client) -> None:
        """Disconnect, cleanly where the broker still listens; free the socket and the thread."""
        if client.disconnect() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._ended.wait(FAREWELL_S)
        left = client.socket()
        if isinstance(left, socket.socket):
            with contextlib.suppress(OSError):
                left.shutdown(socket.SHUT_RDWR)  # a broker that hangs would keep paho's thread until the keepalive
        client.loop_stop()

    def _watch(self) -> None:
        """Wait for the end: told by paho, or that its thread has died, which it doesn't tell."""
        name = f"paho-mqtt-client-{self._client_id}"
        while not (self._ended.wait(LOOK_S) or self._stopping.is_set()):
            if not any(thread.name == name for thread in threading.enumerate()):
                self.problem = "the connection's thread has died"
                return

    def _note_refusal(self) -> None:
        answer = self._answer
        if answer is None or answer.value == _UNSUPPORTED_VERSION:
            is_five = self._version == MQTTProtocolVersion.MQTTv5
            self._version = MQTTProtocolVersion.MQTTv311 if is_five else MQTTProtocolVersion.MQTTv5
        said = f"refused the connection: {answer}" if answer is not None else "doesn't answer"
        self.problem = f"{self._broker.host}:{self._broker.port}: the broker {said}"

    def _open(self, client: paho.Client) -> None:
        five = self._version == MQTTProtocolVersion.MQTTv5
        properties = None
        if five:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = self._expiry_s
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
        clean_start = False if five else paho.MQTT_CLEAN_START_FIRST_ONLY
        client.connect(
            self._broker.host, self._broker.port, KEEPALIVE_S, clean_start=clean_start, properties=properties
        )
        client.loop_start()

    def _new_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=self._version,
            clean_session=None if self._version == MQTTProtocolVersion.MQTTv5 else False,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self._broker.username is not None:
            password = broker_password("--password-file", self._broker.password_file)
            client.username_pw_set(self._broker.username, password)
        if self._broker.tls is not None:
            client.tls_set_context(client_context(self._broker.tls, "--"))
        client.on_socket_open = send_at_once
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_subscribe = self._subscribed
        client.on_message = self._received
        return client

    def _connected(
        self, client: paho.Client, _data: Any, flags: paho.ConnectFlags, reason: ReasonCode, _more: Any
    ) -> None:
        self._answer = reason
        if not reason.is_failure:
            log.info("connected, the broker %s the session", "had kept" if flags.session_present else "has begun")
            for start in range(0, len(self._subscriptions), PORTION):
                client.subscribe(self._subscriptions[start : start + PORTION])
            self._client = client
            self.connected, self.problem = True, ""
            self._on_connect()
        self._answered.set()

    def _disconnected(self, client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _more: Any) -> None:
        if self.connected and client is self._client:
            self.taken_over = reason.value == _TAKEN_OVER
            self.problem = "" if self._stopping.is_set() else f"the connection was lost ({reason})"
        self.connected = False
        self._answered.set()
        self._ended.set()

    @staticmethod
    def _subscribed(_client: paho.Client, _data: Any, _number: int, reasons: list[ReasonCode], _more: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error("the broker refuses a subscription: check the user's rights to read what agents publish")

    def _received(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # paho gives it as it came
            topic = ""
        acknowledge = functools.partial(client.ack, message.mid, message.qos)
        self._on_message(Incoming(topic, bytes(message.payload), acknowledge))
