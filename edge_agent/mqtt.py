"""The MQTT session: connects, reconnects, subscribes, publishes; tells what the broker acknowledged.

MQTT 5, or 3.1.1 where the broker has no 5: it may refuse the version, close the connection, or say nothing at all. A
refusal is read from the reason code: being connected to a broker that refused the connection is not being connected.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.config import MqttSection
from edge_agent.errors import ConfigError

MAX_IN_FLIGHT = 20
MAX_BACKOFF_S = 8.0
CONNECT_TIMEOUT_S = 5.0
"""For the TCP connection, and again for the broker's answer."""
FAREWELL_S = 2.0
SUBSCRIBE_PORTION = 500
_UNSUPPORTED_VERSION = 132
log = logging.getLogger("kardus.mqtt")


@dataclass(frozen=True)
class Handlers:
    """Called from the session's threads; must return quickly and not raise."""

    on_connect: Callable[[], None]
    on_message: Callable[[str, bytes], None]
    on_acknowledged: Callable[[int, bool], None]
    """The message number that `publish` gave, and whether the broker took it."""


class MqttSession:
    """One connection to the broker, kept up by a thread of its own."""

    def __init__(
        self, settings: MqttSection, client_id: str, subscriptions: Sequence[str], will: tuple[str, bytes] | None
    ) -> None:
        """Prepare the session; `start` begins it.

        Args:
            settings: the broker.
            client_id: the same at every connection.
            subscriptions: topic filters, subscribed (QoS 1) at every connection, in portions.
            will: topic and payload that the broker publishes, retained, when the connection is lost.

        Raises:
            ConfigError: the password file cannot be read.
        """
        self._settings = settings
        self._client_id = client_id
        self._subscriptions = list(subscriptions)
        self._will = will
        self._password = _read_password(settings)
        self._version = MQTTProtocolVersion.MQTTv311 if settings.version == "3.1.1" else MQTTProtocolVersion.MQTTv5
        self._stopping = threading.Event()
        self._lost = threading.Event()
        self._connected = threading.Event()
        self._answered = threading.Event()
        self._refused = False
        self._version_found = False
        self._handlers: Handlers | None = None
        self._client = self._new_client()
        self._thread = threading.Thread(target=self._keep_connected, name="mqtt", daemon=True)
        self.refusal = ""
        """Why the last attempt to connect failed; empty while connected."""

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection."""
        return self._connected.is_set()

    @property
    def version(self) -> str:
        """The protocol version in use: "5" or "3.1.1"."""
        return "5" if self._version == MQTTProtocolVersion.MQTTv5 else "3.1.1"

    def start(self, handlers: Handlers) -> None:
        """Begin to connect; returns at once. An absent broker is waited for."""
        self._handlers = handlers
        self._thread.start()

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until the broker has accepted the connection."""
        return self._connected.wait(timeout_s)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> int | None:
        """Hand a message to the broker (QoS 1).

        Returns a number for `on_acknowledged`, or None when it could not be handed over.
        """
        if not self.connected:
            return None
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def stop(self, farewell: tuple[str, bytes] | None = None) -> None:
        """Disconnect cleanly, after a last retained message (topic and payload). May be called twice."""
        if farewell and self.connected and not self._stopping.is_set():
            topic, payload = farewell
            info = self._client.publish(topic, payload, qos=1, retain=True)
            if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                info.wait_for_publish(FAREWELL_S)
        self._stopping.set()
        self._answered.set()
        self._lost.set()
        if self._thread.is_alive():
            self._thread.join()

    def _keep_connected(self) -> None:
        """Connect, wait until the connection is lost, wait a random while (full jitter), and again."""
        attempt = 0
        while not self._stopping.is_set():
            self._lost.clear()
            if self._attempt() and self._is_accepted():
                self._lost.wait()
                attempt = 0
            else:
                attempt += 1
            self._connected.clear()
            if self._stopping.is_set():
                break
            self._client.loop_stop()
            if self._client.protocol != self._version:
                self._client = self._new_client()
            self._stopping.wait(random.uniform(0, min(MAX_BACKOFF_S, 0.25 * 2 ** min(attempt, 10))))
        self._client.disconnect()
        self._client.loop_stop()

    def _attempt(self) -> bool:
        settings = self._settings
        self._answered.clear()
        self._refused = False
        try:
            if self._version == MQTTProtocolVersion.MQTTv5:
                self._client.connect(settings.host, settings.port, settings.keepalive_s, clean_start=True)
            else:
                self._client.connect(settings.host, settings.port, settings.keepalive_s)
        except (OSError, ValueError) as error:
            self._report(f"{settings.host}:{settings.port}: {error}")
            return False
        self._client.loop_start()
        return True

    def _is_accepted(self) -> bool:
        """Wait for the broker's answer; without one, the next attempt speaks the other version of MQTT."""
        self._answered.wait(CONNECT_TIMEOUT_S)
        if self._connected.is_set() or self._stopping.is_set():
            return self._connected.is_set()
        if not self._refused:
            self._report(f"{self._settings.host}:{self._settings.port}: no answer in MQTT {self.version}")
            self._change_version()
        return False

    def _change_version(self) -> None:
        """Speak the other version from the next attempt on, unless one is prescribed or has been accepted before."""
        if self._settings.version == "auto" and not self._version_found:
            is_5 = self._version == MQTTProtocolVersion.MQTTv5
            self._version = MQTTProtocolVersion.MQTTv311 if is_5 else MQTTProtocolVersion.MQTTv5

    def _new_client(self) -> paho.Client:
        clean_session = True if self._version == MQTTProtocolVersion.MQTTv311 else None
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=self._version,
            clean_session=clean_session,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(MAX_IN_FLIGHT)
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._password)
        if self._will:
            topic, payload = self._will
            client.will_set(topic, payload, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    def _on_connect(
        self, client: paho.Client, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._note_refusal(reason)
            self._answered.set()
            return
        for start in range(0, len(self._subscriptions), SUBSCRIBE_PORTION):
            client.subscribe([(topic, 1) for topic in self._subscriptions[start : start + SUBSCRIBE_PORTION]])
        self.refusal = ""
        self._version_found = True
        self._connected.set()
        self._answered.set()
        log.info("connected to %s:%s, MQTT %s", self._settings.host, self._settings.port, self.version)
        if self._handlers:
            self._handlers.on_connect()

    def _note_refusal(self, reason: ReasonCode) -> None:
        self._refused = True
        if reason.value == _UNSUPPORTED_VERSION and self._settings.version == "auto" and not self._version_found:
            log.info("the broker has no MQTT %s", self.version)
            self._change_version()
        else:
            self._report(f"{self._settings.host}:{self._settings.port} refused the connection: {reason}")

    def _report(self, refusal: str) -> None:
        if refusal != self.refusal:
            log.warning("no broker: %s; trying again, nothing is lost", refusal)
        self.refusal = refusal

    def _on_disconnect(self, *_: object) -> None:
        if self._connected.is_set() and not self._stopping.is_set():
            log.warning("connection to the broker lost; what is decided is kept in the outbox")
        self._answered.set()
        self._lost.set()

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        if self._handlers:
            self._handlers.on_message(message.topic, bytes(message.payload))

    def _on_publish(
        self, _client: paho.Client, _userdata: Any, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if self._handlers:
            self._handlers.on_acknowledged(mid, not reason.is_failure)


def _read_password(settings: MqttSection) -> str | None:
    if settings.password_file is None:
        return None
    try:
        return settings.password_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"mqtt.password_file = {settings.password_file}: cannot be read ({error.strerror})"
        ) from error
