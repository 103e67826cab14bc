"""The MQTT session: keeps a connection up, and subscribes again each time.

MQTT 5, or 3.1.1 where the broker has no 5. A refusal is read from the reason code: being connected to a broker that
refused the connection is not being connected.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence

from kardus.mqtt.connection import CONNECT_TIMEOUT_S, Connection, Handlers, Options, PublishToken, Subscription
from kardus.mqtt.reasons import NOT_GIVEN, TAKEN_OVER
from kardus.mqtt.renewal import Renewal
from kardus.mqtt.settings import BrokerSettings
from kardus.mqtt.subscriber import Subscriber
from kardus.support.backoff import backoff_s
from kardus.support.errors import ConfigError

SILENCES = 2
"""A known broker may be silent because it is ill: so many attempts in a row before its version is doubted."""
POLL_S = 1.0
"""How often paho's thread and the certificates' files are looked at."""
SHORT_S = 10.0
"""A connection that has lasted less since the broker accepted it counts as a failure ..."""
SUSPICIOUS = 3
"""... and after so many in a row, another client of the same id is suspected to take it over each time."""
FAREWELL_S = 2.0
"""How long a broker is waited for at a connection's end: for its answers to what was published, the last words too."""
LEFT_S = 0.5
"""And so long the session's thread; then it is left to itself."""
CONNECTED_POLL_S = 0.1
"""How often somebody who waits for the connection is asked whether he has given up."""
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
        self._settings, self._client_id, self._options = settings, client_id, options or Options()
        self._subscriptions, self._count = list(subscriptions), 0
        self._subscriber: Subscriber | None = None
        """Of the present connection, or the last one."""
        self._changed, self._stopping = threading.Condition(), False
        self._live: Connection | None = None
        self.online = threading.Event()
        """Set while the broker has the connection: to be asked, or waited for."""
        self._thread: threading.Thread | None = None
        self._until_s = math.inf  # monotonic: how long the broker is waited for, once the session is stopped
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
        self.cut_short = 0
        """Connections in a row that lasted less, and were lost without a reason."""
        self.conflict = ""
        """That another client uses this name: the broker says so, or cuts every connection off. Until one lasts."""
        self.taken_over = False
        """Whether the broker said that another client has taken the persistent session. The session has ended then."""
        self.missing_features = ""
        """What the broker said that it doesn't serve, and nothing works without. It is asked again and again."""
        self.lacks_sharing = False
        """Whether the broker doesn't serve shared subscriptions, which are needed. The session has ended then."""

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
        subscriber = self._subscriber
        return self.connected and subscriber is not None and subscriber.present == self._subscriptions

    @property
    def refused(self) -> dict[str, str]:
        """Topic filters that the broker refused over the present connection, or the last one, and why."""
        return self._subscriber.refused if self._subscriber else {}

    def start(self, handlers: Handlers) -> None:
        """Begin to connect; returns at once. An absent broker is waited for."""
        self._thread = threading.Thread(target=self._keep_connected, args=(handlers,), name="mqtt", daemon=True)
        self._thread.start()

    def wait_connected(self, timeout_s: float, given_up: Callable[[], bool] = lambda: False) -> bool:
        """Wait until the broker has accepted the connection; `given_up`, asked often, ends the waiting."""
        deadline = time.monotonic() + timeout_s
        while not (self.connected or self._stopping or given_up()) and (left := deadline - time.monotonic()) > 0:
            self.wait_for(lambda: self.connected or self._stopping, min(left, CONNECTED_POLL_S))
        return self.connected

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
    ) -> PublishToken | None:
        """Hand a message to the broker (QoS 1), over that connection and no later one.

        Returns a token for `on_acknowledged`, or None when it could not be handed over.
        """
        live = self._live
        if live is None or live.number != connection or not live.accepted:
            return None
        return live.publish(topic, payload, retain=retain, correlation=correlation)

    def ask(self, connection: int) -> PublishToken | None:
        """Ask the broker something that changes nothing, over that connection; `on_acknowledged` gets the answer."""
        live = self._live
        return live.ask() if live is not None and live.number == connection and live.accepted else None

    def drop(self, connection: int) -> None:
        """Give a connection up that does no good; another one is made."""
        live = self._live
        if live is not None and live.number == connection:
            live.give_up()

    def stop(self, farewell: tuple[str, bytes] | None = None, within_s: float | None = None) -> None:
        """Disconnect cleanly, after a last retained message (topic and payload). May be called twice.

        Args:
            farewell: the last message.
            within_s: how long the broker is waited for, in seconds; by default FAREWELL_S. A connection that is still
                being made, to a host that doesn't answer, is left to itself: it ends once it is made or fails.
        """
        limit_s = FAREWELL_S if within_s is None else max(0.0, within_s)
        live = self._live
        if farewell and live is not None and live.accepted and not self._stopping:
            live.publish(*farewell, retain=True)
        self._until_s = min(self._until_s, time.monotonic() + limit_s)
        self._stopping = True
        self._notify()
        if self._thread is not None:
            self._thread.join(limit_s + LEFT_S)

    def _keep_connected(self, handlers: Handlers) -> None:
        """Connect, serve until the connection is lost, wait a random while (full jitter), and again."""
        while not (self._stopping or self.taken_over or self.lacks_sharing):
            connection = self._connect(handlers)
            lasted = connection is not None and not self._stopping and self._serve(connection, handlers)
            if connection is not None:
                self._close(connection)
            else:
                self.cut_short = 0
            self.failures = 0 if lasted else self.failures + 1
            self._notify()
            self.wait_for(lambda: self._stopping, backoff_s(self.failures))

    def _connect(self, handlers: Handlers) -> Connection | None:
        """A connection that the broker has accepted; where it lacks one version of MQTT, the other is tried at once."""
        for is_last in (False, True):
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
            problem = self._open(connection)
            if not problem and connection.was_accepted:
                return connection
            self._close(connection)
            if self._stopping:
                break
            changed = self._change_version(connection)
            self._report(problem, logging.INFO if changed and not is_last else logging.WARNING)
            if not changed:
                break
        return None

    def _close(self, connection: Connection) -> None:
        connection.close(min(FAREWELL_S, max(0.0, self._until_s - time.monotonic())))

    def _open(self, connection: Connection) -> str:
        """Connect and wait for the broker's answer; why it doesn't accept."""
        try:
            problem = connection.open()
        except ConfigError as error:
            return str(error)
        if problem:
            return f"{self._settings.address}: {problem}"
        self.wait_for(lambda: connection.answer is not None or connection.is_over or self._stopping, CONNECT_TIMEOUT_S)
        # once accepted, it may be over by now: whoever serves it sees why
        self.missing_features = connection.limits.missing_features
        serves = connection.was_accepted and not self.missing_features
        return "" if serves or self._stopping else f"{self._settings.address} {connection.refusal}"

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

    def _serve(self, connection: Connection, handlers: Handlers) -> bool:
        """Use the connection until it is lost, certificates are renewed, or the session is stopped.

        Returns whether it lasted for SHORT_S.
        """
        self._unsettled = False
        self._silences = 0
        self._problem = ""
        if self._options.shared and not connection.shares:
            self._end_unshared()
            return False
        accepted_s, lasted = time.monotonic(), False
        subscriber = Subscriber(connection, self.wait_for, lambda: self._is_over(connection))
        self._subscriber, self._live = subscriber, connection
        self.online.set()
        kept = "had kept" if connection.found_session else "has begun"
        log.info("connected to %s, MQTT %s: the broker %s the session", self._settings.address, self.version, kept)
        handlers.on_connect(connection.number)
        self._notify()
        renewal = Renewal(self._settings.tls, connection.tls_stamp)
        while not self._is_over(connection):
            self._subscribe(subscriber)
            self.wait_for(lambda: self._is_over(connection) or self._subscriptions != subscriber.present, POLL_S)
            lasted = time.monotonic() - accepted_s >= SHORT_S
            if lasted:
                self.failures, self.cut_short, self.conflict = 0, 0, ""
            if renewal.is_due():
                log.info("certificates were renewed: connecting again with them")
                break
        if connection.is_over and not self._stopping:
            self._lose(connection, handlers)
        self._live = None
        self.online.clear()
        return lasted

    def _subscribe(self, subscriber: Subscriber) -> None:
        subscriber.subscribe(self._subscriptions)
        if self._options.shared and subscriber.refuses_sharing:
            self._end_unshared()
        self._notify()

    def _lose(self, connection: Connection, handlers: Handlers) -> None:
        """Say why the connection was lost."""
        ending = connection.ending
        self.taken_over = self._options.persistent and ending.is_take_over
        self.cut_short = self.cut_short + 1 if ending.name == NOT_GIVEN else 0
        if ending.is_take_over:
            self.conflict = TAKEN_OVER
        elif self.cut_short >= SUSPICIOUS:
            self.conflict = f"every connection is lost at once, as if {TAKEN_OVER}"
        self._report(self._loss(connection))
        handlers.on_lost(connection.number, ending)

    def _loss(self, connection: Connection) -> str:
        reason = connection.ending.text
        if self.conflict and not connection.ending.is_take_over:
            reason += f"; {self.conflict}"
        return f"{self._settings.address}: connection to the broker lost ({reason})"

    def _end_unshared(self) -> None:
        self._problem = f"{self._settings.address}: the broker (MQTT {self.version}) serves no shared subscriptions"
        self.lacks_sharing = True

    def _is_over(self, connection: Connection) -> bool:
        return self._stopping or self.lacks_sharing or connection.is_over

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _report(self, problem: str, level: int = logging.WARNING) -> None:
        if problem != self._problem:
            log.log(level, "%s; trying again, nothing is lost", problem)
        self._problem = problem
        self._notify()
