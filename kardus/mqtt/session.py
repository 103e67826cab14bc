"""The MQTT session: keeps a connection up, and subscribes again each time.

MQTT 5, or 3.1.1 where the broker has no 5. A refusal is read from the reason code: being connected to a broker that
refused the connection is not being connected.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence

from edge_agent.config.sections import MqttSection
from kardus.mqtt.connection import CONNECT_TIMEOUT_S, Connection, Handlers, Identity, Token, require_usable
from kardus.mqtt.renewal import Renewal
from kardus.mqtt.tls import explain
from kardus.support.errors import ConfigError

MAX_BACKOFF_S = 8.0
SUBSCRIBE_PORTION = 500
"""Brokers queue about 1,000 messages a client and drop the rest of a retained flood silently: so ask in portions."""
QUIET_S = 0.3
"""A portion's retained messages are taken to be there when none has come for this long ..."""
PORTION_LIMIT_S = 10.0
"""... or after this long, on a busy site."""
SILENCES = 2
"""A known broker may be silent because it is ill: so many attempts in a row before its version is doubted."""
RENEWAL_POLL_S = 5.0
"""How often the certificates' files are looked at."""
log = logging.getLogger("kardus.mqtt")


class MqttSession:
    """Connects, and connects again whenever the connection is lost, in a thread of its own."""

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
            ConfigError: the password or a certificate cannot be read, or others can read the password or the key.
        """
        self._settings = settings
        self._identity = Identity(client_id, will)
        require_usable(settings)
        self._subscriptions = list(subscriptions)
        self._subscribed: list[str] = []
        """What the present connection is subscribed to."""
        self._changed = threading.Condition()
        self._stopping = False
        self._live: Connection | None = None
        self._count = 0
        self._thread: threading.Thread | None = None
        self._unsettled = True
        """Whether no connection has been accepted yet, so that it is open which version the broker speaks."""
        self._silences = 0
        """Attempts in a row, since the version was last changed, that the broker left without an answer."""
        self.version = "3.1.1" if settings.version == "3.1.1" else "5"
        """The protocol version of the present or next connection: "5" or "3.1.1"."""
        self.refusal = ""
        """Why the last attempt to connect failed; empty while connected."""

    @property
    def is_alive(self) -> bool:
        """Whether its thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection, and it stands."""
        return self.connection is not None

    @property
    def connection(self) -> int | None:
        """The number of the present connection; None while there is none."""
        live = self._live
        return live.number if live is not None and live.accepted else None

    def start(self, handlers: Handlers) -> None:
        """Begin to connect; returns at once. An absent broker is waited for."""
        self._thread = threading.Thread(target=self._keep_connected, args=(handlers,), name="mqtt", daemon=True)
        self._thread.start()

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until the broker has accepted the connection."""
        return self._wait(lambda: self.connected or self._stopping, timeout_s) and self.connected

    def use(self, subscriptions: Sequence[str]) -> None:
        """Other topic filters; the connection stays, and only the differences are told to the broker."""
        with self._changed:
            self._subscriptions = list(subscriptions)
            self._changed.notify_all()

    def publish(
        self, connection: int, topic: str, payload: bytes, *, retain: bool, correlation: bytes = b""
    ) -> Token | None:
        """Hand a message to the broker (QoS 1), over that connection and no later one.

        Returns a token for `on_acknowledged`, or None when it could not be handed over.
        """
        live = self._live
        if live is None or live.number != connection or not live.accepted:
            return None
        return live.publish(topic, payload, retain=retain, correlation=correlation)

    def drop(self, connection: int) -> None:
        """Give a connection up that does no good; another one is made."""
        live = self._live
        if live is not None and live.number == connection:
            live.give_up()

    def stop(self, farewell: tuple[str, bytes] | None = None) -> None:
        """Disconnect cleanly, after a last retained message (topic and payload). May be called twice."""
        live = self._live
        if farewell and live is not None and live.accepted and not self._stopping:
            live.say_farewell(*farewell)
        self._stopping = True
        self._notify()
        if self._thread is not None:
            self._thread.join()

    def _keep_connected(self, handlers: Handlers) -> None:
        """Connect, serve until the connection is lost, wait a random while (full jitter), and again."""
        attempt = 0
        while not self._stopping:
            self._count += 1
            connection = Connection(
                self._settings,
                self._identity,
                handlers,
                self._notify,
                version=self.version,
                number=self._count,
                resume=not self._unsettled,
            )
            if self._open(connection):
                self._serve(connection, handlers)
                attempt = 0
            else:
                attempt += 1
            connection.close()
            self._wait(lambda: self._stopping, random.uniform(0, min(MAX_BACKOFF_S, 0.25 * 2 ** min(attempt, 10))))

    def _open(self, connection: Connection) -> bool:
        """Connect and wait for the broker's answer; without one, the next attempt speaks the other version of MQTT."""
        broker = f"{self._settings.host}:{self._settings.port}"
        try:
            connection.open()
        except (OSError, ValueError, ConfigError) as error:
            self._report(f"{broker}: {explain(error)}")
            return False
        self._wait(
            lambda: connection.answer is not None or connection.ended.is_set() or self._stopping, CONNECT_TIMEOUT_S
        )
        if connection.accepted or self._stopping:
            return connection.accepted
        said = f"refused the connection: {connection.answer}" if connection.answer else connection.silence
        self._report(f"{broker} {said} (MQTT {connection.version})")
        self._change_version(connection)
        return False

    def _change_version(self, connection: Connection) -> None:
        """Speak the other version where the broker lacks this one.

        Of a broker that has answered before, silence counts only if it lasts.
        """
        self._silences = self._silences + 1 if connection.answer is None else 0
        is_clear = self._unsettled or not self._silences or self._silences >= SILENCES
        if self._settings.version == "auto" and connection.lacks_version and is_clear:
            self.version = "3.1.1" if self.version == "5" else "5"
            self._silences = 0

    def _serve(self, connection: Connection, handlers: Handlers) -> None:
        """Use the connection until it is lost, certificates are renewed, or the session is stopped."""
        self._unsettled = False
        self._silences = 0
        self.refusal = ""
        self._live = connection
        self._notify()
        log.info("connected to %s:%s, MQTT %s", self._settings.host, self._settings.port, self.version)
        handlers.on_connect(connection.number)
        self._subscribed = []
        renewal = Renewal(self._settings.tls_files, connection.tls_stamp)
        while not self._is_over(connection):
            self._subscribed = self._subscribe(connection, self._subscribed)
            self._wait(lambda: self._is_over(connection) or self._subscriptions != self._subscribed, RENEWAL_POLL_S)
            if renewal.is_due():
                log.info("certificates were renewed: connecting again with them")
                break
        self._live = None
        if connection.ended.is_set() and not self._stopping:
            log.warning("connection to the broker lost; what is decided is kept in the outbox")

    def _subscribe(self, connection: Connection, subscribed: Sequence[str]) -> list[str]:
        """Subscribe to what is new in portions, the next when what is retained for the last has come; what stands."""
        wanted = self._subscriptions
        gone = [topic for topic in subscribed if topic not in set(wanted)]
        if gone:
            connection.unsubscribe(gone)
        new = [topic for topic in wanted if topic not in set(subscribed)]
        for start in range(0, len(new), SUBSCRIBE_PORTION):
            if start:
                self._await_quiet(connection)
            if self._is_refused(connection, new[start : start + SUBSCRIBE_PORTION]):
                log.error("the broker refuses the agent's subscriptions: check the agent's rights on the broker")
        return wanted

    def _is_refused(self, connection: Connection, topics: Sequence[str]) -> bool:
        """Subscribe, wait for the broker's answer, and say whether it refused a topic."""
        number = connection.subscribe(topics)
        self._wait(lambda: number in connection.subscribed or self._is_over(connection), CONNECT_TIMEOUT_S)
        return any(reason.is_failure for reason in connection.subscribed.get(number or 0, []))

    def _await_quiet(self, connection: Connection) -> None:
        deadline = time.monotonic() + PORTION_LIMIT_S
        known = -1
        while known != connection.received and time.monotonic() < deadline:
            known = connection.received
            if self._wait(lambda: self._is_over(connection), QUIET_S):
                return

    def _is_over(self, connection: Connection) -> bool:
        return self._stopping or connection.ended.is_set()

    def _wait(self, condition: Callable[[], bool], timeout_s: float | None = None) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _report(self, refusal: str) -> None:
        if refusal != self.refusal:
            log.warning("no broker: %s; trying again, nothing is lost", refusal)
        self.refusal = refusal
        self._notify()
