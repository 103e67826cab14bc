"""A connection to the broker for the warehouse side: MQTT 5, or 3.1.1 where the broker has no 5."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from kardus.mqtt.sockets import send_at_once
from kardus.mqtt.tls import TlsFiles, client_context, explain
from kardus.support.errors import BrokerError
from kardus.support.identifiers import uuid7
from kardus.support.secrets import broker_password

CONNECT_TIMEOUT_S = 6.0
PUBLISH_TIMEOUT_S = 10.0
_UNSUPPORTED_VERSION = 132
_VERSIONS = (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311)


@dataclass(frozen=True)
class Broker:
    """Where the broker is, and as whom to connect."""

    host: str = "localhost"
    port: int = 1883
    username: str | None = None
    password_file: Path | None = None
    """Without one, the password is looked for in `KARDUS_MQTT_PASSWORD`."""
    tls: TlsFiles | None = None
    """None: the connection isn't encrypted."""


class Connection:
    """An open connection; reconnects and subscribes again by itself. Use it in a `with` statement."""

    def __init__(
        self,
        broker: Broker,
        subscriptions: Sequence[tuple[str, int]] = (),
        on_message: Callable[[str, bytes], None] = lambda *_: None,
    ) -> None:
        """Connect and subscribe to (filter, QoS) pairs.

        Raises:
            BrokerError: the broker cannot be reached, or refuses the connection.
            ConfigError: the password or a certificate can't be used.
        """
        self._broker = broker
        self._subscriptions = list(subscriptions)
        self._on_message = on_message
        self._answered = threading.Event()
        self._subscribed = threading.Event()
        self._reasons: list[ReasonCode] = []
        self._refused: dict[int, ReasonCode] = {}
        for version in _VERSIONS:
            self._client = self._connect(version)
            if self._reasons and self._reasons[-1].value != _UNSUPPORTED_VERSION:
                break
            self._client.loop_stop()
        if not self._reasons or self._reasons[-1].is_failure:
            self.close()
            answer = f"refused the connection: {self._reasons[-1]}" if self._reasons else "doesn't answer"
            raise BrokerError(f"{broker.host}:{broker.port}: the broker {answer}: check --host, --port and the user")
        if self._subscriptions and not self._subscribed.wait(CONNECT_TIMEOUT_S):
            self.close()
            raise BrokerError(f"{broker.host}:{broker.port}: the broker doesn't answer a subscription: try again")

    def publish(self, messages: Sequence[tuple[str, bytes]], *, retain: bool) -> None:
        """Publish topics with payloads (QoS 1) and wait until the broker has them all.

        Raises:
            BrokerError: the broker doesn't take one in time.
        """
        infos = [(topic, self._client.publish(topic, payload, qos=1, retain=retain)) for topic, payload in messages]
        for topic, info in infos:
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise BrokerError(f"{topic}: not published ({paho.error_string(info.rc)}): try again")
            info.wait_for_publish(PUBLISH_TIMEOUT_S)
            if not info.is_published():
                raise BrokerError(f"{topic}: the broker did not take it within {PUBLISH_TIMEOUT_S:.0f} s: try again")
            if info.mid in self._refused:  # paho counts a refused message as published
                raise BrokerError(
                    f"{topic}: the broker refused it ({self._refused[info.mid]}): check the user's rights"
                )

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Self:
        """Nothing more to do: the connection is open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self.close()

    def _connect(self, version: MQTTProtocolVersion) -> paho.Client:
        self._answered.clear()
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"kardus-wms-{uuid7()}", protocol=version)
        client.connect_timeout = CONNECT_TIMEOUT_S
        password = broker_password("--password-file", self._broker.password_file)
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, password)
        if self._broker.tls is not None:
            client.tls_set_context(client_context(self._broker.tls, "--"))
        client.on_socket_open = send_at_once
        client.on_connect = self._connected
        client.on_disconnect = lambda *_: self._answered.set()  # some brokers without MQTT 5 just hang up
        client.on_publish = self._published
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.on_message = lambda _client, _userdata, message: self._on_message(message.topic, bytes(message.payload))
        try:
            client.connect(self._broker.host, self._broker.port)
        except (OSError, ValueError) as error:  # ValueError: a text that can't be a host's name
            refused = isinstance(error, ssl.SSLError)
            found = "no secure connection" if refused else "no broker there"
            remedy = "correct --host, --ca-file and the like" if refused else "start it, or correct --host and --port"
            raise BrokerError(
                f"{self._broker.host}:{self._broker.port}: {found} ({explain(error)}): {remedy}"
            ) from error
        client.loop_start()
        self._answered.wait(CONNECT_TIMEOUT_S)
        return client

    def _connected(
        self, client: paho.Client, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        self._reasons.append(reason)
        if not reason.is_failure and self._subscriptions:
            client.subscribe(self._subscriptions)
        self._answered.set()

    def _published(self, _client: paho.Client, _userdata: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            self._refused[mid] = reason
