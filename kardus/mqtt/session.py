"""The MQTT session: keeps a connection up, and subscribes again each time.

MQTT 5, or 3.1.1 where the broker has no 5. A refusal is read from the reason code: being connected to a broker that
refused the connection is not being connected.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from kardus.mqtt.connection import CONNECT_TIMEOUT_S, Connection, Handlers, Options, Subscription, Token
from kardus.mqtt.renewal import Renewal
from kardus.mqtt.settings import BrokerSettings
from kardus.support.backoff import backoff_s
from kardus.support.errors import ConfigError

SUBSCRIBE_PORTION = 500
"""Brokers queue about 1,000 messages a client and drop the rest of a retained flood silently: so ask in portions."""
QUIET_S = 0.3
"""A portion's retained messages are taken to be there when none has come for this long ..."""
PORTION_LIMIT_S = 10.0
"""... or after this long, on a busy site."""
SILENCES = 2
"""A known broker may be silent because it is ill: so many attempts in a row before its version is doubted."""
LOOK_S = 1.0
"""How often paho's thread and the certificates' files are looked at."""
SHORT_S = 10.0
"""A connection that lasted less counts as a failure ..."""
SUSPICIOUS = 3
"""... and after so many in a row, another client of the same id is suspected to take it over each time."""
log = logging.getLogger("kardus.mqtt")
log.addHandler(logging.NullHandler())  # a command that logs nothing says in one line itself what is wrong


class MqttSession:
    """Connects, and connects again whenever the connection is lost, in a thread of its own."""

    def __init__(
        self,
        settings: BrokerSettings,
        client_id: str,
        subscriptions: Sequence[Subscription] = (),
        options: Options | None = None,
    ) -> None:
        """Prepare the session; `start` begins it.

        Args:
            settings: the broker.
            client_id: the same at every connection.
            subscriptions: topic filters with their QoS, subscribed at every connection, in portions.
            options: what is asked of the broker.

        Raises:
            ConfigError: the password or a certificate cannot be read, or others can read the password or the key.
        """
        settings.password()
        settings.context()
        self._settings = settings
        self._client_id = client_id
        self._options = options or Options()
        self._subscriptions = list(subscriptions)
        self._subscribed: list[Subscription] = []
        """What the present connection is subscribed to."""
        self._changed = threading.Condition()
        self._stopping = False
        self._live: Connection | None = None
        self.online = threading.Event()
        """Set while the broker has the connection: to be asked, or waited for."""
        self._count = 0
        self._thread: threading.Thread | None = None
        self._unsettled = True
        """Whether no connection has been accepted yet, so that it is open which version the broker speaks."""
        self._silences = 0
        """Attempts in a row, since the version was last changed, that the broker left without an answer."""
        self.version = "3.1.1" if settings.version == "3.1.1" else "5"
        """The protocol version of the present or next connection: "5" or "3.1.1"."""
        self._problem = ""
        """Why there was none when a connection was last attempted or lost."""
        self.failures = 0
        """Attempts in a row that failed, or brought a connection that lasted less than SHORT_S."""
        self.is_contested = False
        """Whether connections are accepted and lost at once: not every broker says that a session was taken over."""
        self.taken_over = False
        """Whether the broker said that another client has taken the persistent session. The session has ended then."""

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

    @property
    def problem(self) -> str:
        """Why there is no connection; empty while there is one."""
        live = self._live
        return self._loss(live) if live is not None and live.is_over else self._problem

    @property
    def is_subscribed(self) -> bool:
        """Whether the broker has answered every subscription over the present connection."""
        return self.connected and self._subscribed == self._subscriptions

    def start(self, handlers: Handlers) -> None:
        """Begin to connect; returns at once. An absent broker is waited for."""
        self._thread = threading.Thread(target=self._keep_connected, args=(handlers,), name="mqtt", daemon=True)
        self._thread.start()

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait until the broker has accepted the connection."""
        return self.wait_for(lambda: self.connected or self._stopping, timeout_s) and self.connected

    def wait_for(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until a condition on the public attributes holds; whether it does."""
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)

    def use(self, subscriptions: Sequence[Subscription]) -> None:
        """Other topic filters; the connection stays, and only the differences are told to the broker."""
        self._subscriptions = list(subscriptions)
        self._notify()

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
        while not self._stopping and not self.taken_over:
            began_s = time.monotonic()
            connection = self._connect(handlers)
            if connection is not None:
                self._serve(connection, handlers)
                connection.close()
            is_short = connection is None or time.monotonic() - began_s < SHORT_S
            self.failures = self.failures + 1 if is_short else 0
            self.is_contested = connection is not None and self.failures >= SUSPICIOUS
            self._notify()
            self.wait_for(lambda: self._stopping, backoff_s(self.failures))

    def _connect(self, handlers: Handlers) -> Connection | None:
        """A connection that the broker has accepted; where it lacks one version of MQTT, the other is tried at once."""
        for _ in range(2):
            self._count += 1
            connection = Connection(
                self._settings,
                self._client_id,
                self._options,
                handlers,
                self._notify,
                version=self.version,
                number=self._count,
                clean_start=self._unsettled and not self._options.persistent,
            )
            if self._open(connection):
                return connection
            connection.close()
            if self._stopping or not self._change_version(connection):
                break
        return None

    def _open(self, connection: Connection) -> bool:
        """Connect and wait for the broker's answer; whether it accepts."""
        try:
            problem = connection.open()
        except ConfigError as error:
            self._report(str(error))
            return False
        if not problem:
            self.wait_for(
                lambda: connection.answer is not None or connection.is_over or self._stopping, CONNECT_TIMEOUT_S
            )
        if connection.was_accepted or self._stopping:
            return connection.was_accepted  # it may be over by now: whoever serves it sees why
        self._report(
            f"{self._settings.address}: {problem}" if problem else f"{self._settings.address} {connection.refusal}"
        )
        return False

    def _change_version(self, connection: Connection) -> bool:
        """Speak the other version where the broker lacks this one; whether that is so.

        Of a broker that has answered before, silence counts only if it lasts.
        """
        if self._settings.version != "auto" or not connection.lacks_version:
            return False
        self._silences += connection.answer is None
        if not self._unsettled and 0 < self._silences < SILENCES:
            return False
        self.version = "3.1.1" if self.version == "5" else "5"
        self._silences = 0
        return True

    def _serve(self, connection: Connection, handlers: Handlers) -> None:
        """Use the connection until it is lost, certificates are renewed, or the session is stopped."""
        self._unsettled = False
        self._silences = 0
        self._subscribed = []
        self._problem = ""
        self._live = connection
        self.online.set()
        kept = "had kept" if connection.found_session else "has begun"
        log.info("connected to %s, MQTT %s: the broker %s the session", self._settings.address, self.version, kept)
        handlers.on_connect(connection.number)
        self._notify()
        renewal = Renewal(self._settings.tls, connection.tls_stamp)
        while not self._is_over(connection):
            self._subscribe(connection)
            self.wait_for(lambda: self._is_over(connection) or self._subscriptions != self._subscribed, LOOK_S)
            if renewal.is_due():
                log.info("certificates were renewed: connecting again with them")
                break
        if connection.is_over and not self._stopping:
            self.taken_over = self._options.persistent and connection.was_taken_over
            self._report(self._loss(connection))
        self._live = None
        self.online.clear()

    def _loss(self, connection: Connection) -> str:
        reason = connection.end_reason or "given up, or a callback has failed"
        return f"{self._settings.address}: connection to the broker lost ({reason})"

    def _subscribe(self, connection: Connection) -> None:
        """Subscribe to what is new in portions, the next when what is retained for the last has come."""
        wanted, subscribed = self._subscriptions, self._subscribed
        kept, known = set(wanted), set(subscribed)
        gone = [old[0] for old in subscribed if old not in kept]
        if gone:
            connection.unsubscribe(gone)
        new = [wish for wish in wanted if wish not in known]
        for start in range(0, len(new), SUBSCRIBE_PORTION):
            if start:
                self._await_quiet(connection)
            if not self._is_taken(connection, new[start : start + SUBSCRIBE_PORTION]):
                log.error("the broker refuses a subscription: check the user's rights on the broker")
        self._subscribed = wanted
        self._notify()

    def _is_taken(self, connection: Connection, subscriptions: Sequence[Subscription]) -> bool:
        """Subscribe, wait for the broker's answer, and say whether it took every filter."""
        number = connection.subscribe(subscriptions)
        self.wait_for(lambda: number in connection.subscribed or self._is_over(connection), CONNECT_TIMEOUT_S)
        return connection.subscribed.get(number or 0, True)

    def _await_quiet(self, connection: Connection) -> None:
        deadline = time.monotonic() + PORTION_LIMIT_S
        known = -1
        while known != connection.received and time.monotonic() < deadline:
            known = connection.received
            if self.wait_for(lambda: self._is_over(connection), QUIET_S):
                return

    def _is_over(self, connection: Connection) -> bool:
        return self._stopping or connection.is_over

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("%s; trying again, nothing is lost", problem)
        self._problem = problem
        self._notify()
