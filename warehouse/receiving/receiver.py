"""The receiver: the WMS side's reference consumer, as a command and as a library.

    broker ─> session ─> storage thread (parse, write: one transaction) ─> PUBACK to the broker ─> `ack` to the agent
                                                 └─> gaps ─> `resend` to the agent

A message is acknowledged to the broker only when it is on disk. An event that comes twice is stored once, by its id.
"""

import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from kardus.contract.topics import Topics
from kardus.mqtt.connection import Handlers, Options, PublishToken, Subscription
from kardus.mqtt.incoming import Incoming
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError, DataError, KardusError
from kardus.support.worker import Worker
from warehouse.receiving.ack_schedule import AckSchedule
from warehouse.receiving.completeness import Completeness
from warehouse.receiving.heard import HeardStates
from warehouse.receiving.resend_requests import resend_requests_due
from warehouse.receiving.storage_thread import IN_FLIGHT, StorageThread
from warehouse.receiving.webhooks import WebhookDelivery, WebhookEndpoint
from warehouse.store.address import DatabaseAddress
from warehouse.store.database import StoreError
from warehouse.store.opening import open_database
from warehouse.store.pictures import PictureStore
from warehouse.store.places import settle_pictures
from warehouse.store.reader import StoreReader
from warehouse.store.retention import KEEP_ALL, Retention, RetentionLimits
from warehouse.store.writer import StoreWriter, WriteResult

ACK_POLL_S = 0.1
GAP_CHECK_INTERVAL_S = 2.0
log = logging.getLogger("kardus.receiver")


@dataclass(frozen=True)
class ReceiverSettings:
    """What a receiver receives, and where it stores it."""

    site: str
    """The site, as in the agents' configuration."""
    database: DatabaseAddress | Path | str
    """A SQLite file on a local disk, or the address of a PostgreSQL database. Several receivers may share one."""
    name: str = "receiver"
    """Under which the broker keeps the session: each receiver has its own, the same at every start."""
    agents: tuple[str, ...] = ()
    """Which agents; empty: all of the site."""
    group: str = ""
    """Receivers of one group divide the events among them (MQTT's shared subscriptions), and share the database."""
    pictures_mb: int = 500
    """How much of the disk pictures may take, in megabytes; the oldest go first. 0: none are received."""
    pictures: str = ""
    """Where they go: a folder, or `s3://BUCKET/PREFIX`. Empty: where it is noted, or beside the SQLite file."""
    session_days: float = 7
    """How long the broker keeps the session, and queues events, while this receiver is away."""
    keep: RetentionLimits = KEEP_ALL
    """Which events are kept beside those of alerts; by default all."""


@dataclass(frozen=True)
class ReceiverStatus:
    """The health of a receiver; the counts are since its start."""

    connected: bool
    problem: str
    """Why it isn't connected or can't store, or how many retained states haven't come; empty where all is well."""
    events: int
    """Events stored."""
    duplicates: int
    """Events that were stored before."""
    pictures: int
    """Pictures stored."""
    dead_letters: int
    """Messages that don't fit the contract, kept aside."""
    transactions: int
    """How many transactions that took."""
    waiting: int
    """Messages received and not stored yet."""
    acks: int
    """`ack` messages published."""
    resends: int
    """Times that an agent was asked for events again."""
    deleted: int
    """Events deleted by `keep`."""
    held_ms: int
    """The longest that the database was held to delete them, in milliseconds."""
    database_bytes: int
    """How much of the disk the database takes, without its pictures."""


def _session_options(settings: ReceiverSettings) -> Options:
    return Options(
        persistent=True,
        expiry_s=min(int(settings.session_days * 86_400), 2**32 - 2),  # the largest number would mean: for ever
        receive_maximum=IN_FLIGHT,
        manual_ack=True,
        shared=bool(settings.group),
    )


class Receiver(Worker):
    """Receives in threads of its own from `start` to `stop`; use it in a `with` statement."""

    def __init__(
        self,
        broker: BrokerSettings,
        settings: ReceiverSettings,
        webhook: WebhookEndpoint | None = None,
        on_stored: Callable[[WriteResult], None] = lambda _: None,
    ) -> None:
        """Open or make the database.

        Args:
            broker: where it is. It need not be there yet.
            settings: what is received.
            webhook: which server is told of every new alert.
            on_stored: called after every transaction from the writing thread, which must not be held up. Use it to wake
                whoever reads `reader.events`: a receiver that is killed doesn't come to call it again.

        Raises:
            ConfigError: the password or a certificate can't be used.
            DataError: the database can't be used.
            UsageError: it holds another site's events.
        """
        super().__init__("receipts")
        self._settings, self._on_stored = settings, on_stored
        client_id = f"kardus-receive-{settings.site}-{settings.name}"
        self._session = MqttSession(broker, client_id, receiver_subscriptions(settings), _session_options(settings))
        self._heard = HeardStates()
        self._completeness = Completeness(
            settings.site, self._heard, self._subscribe, lambda: self._session.is_subscribed
        )
        self._incomplete = self._logged = ""
        self._refused = ""
        """Why the broker took the last acknowledgement or command not; empty: it took it."""
        self.database = open_database(settings.database, make=True, pictures=settings.pictures)
        """The open database."""
        try:
            pictures = PictureStore(settle_pictures(self.database, settings.pictures, needed=settings.pictures_mb > 0))
            self._store = StoreWriter(self.database, settings.site, settings.pictures_mb, pictures)
            self._storage = StorageThread(settings.site, self._store, self._stored)
            self._webhooks = WebhookDelivery(self.database, webhook) if webhook else None
            self._retention = Retention(self.database, settings.keep, pictures)
        except (KardusError, StoreError) as error:
            self.database.close()
            if isinstance(error, KardusError):
                raise
            raise DataError(
                f"{self.database.address}: can't be written ({error}): try again, or check the disk"
            ) from error
        self.reader = StoreReader(self.database)
        """Reads the stored events, states and pictures."""
        self._ack_schedule, self._acks, self._resends = AckSchedule(), 0, 0

    def start(self) -> None:
        """Begin to receive; returns at once."""
        self._storage.start()
        super().start()
        self._session.start(Handlers(self._connected, self._take, self._answered))
        if self._webhooks:
            self._webhooks.start()
        self._retention.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """Store what is queued, acknowledge it, disconnect, close the database. May be called twice."""
        if self._webhooks:
            self._webhooks.stop()
        self._retention.stop()
        self._storage.stop()
        super().stop(timeout_s)
        self._session.stop()
        self.database.close()

    def __enter__(self) -> Self:
        """Begin to receive."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop receiving."""
        self.stop()

    def status(self) -> ReceiverStatus:
        """Its health and counts."""
        problem = self._session.problem
        if problem and self._session.conflict:
            problem += "; is another receiver of this name running? Give each its own --name"
        for topic, reason in itertools.islice(self._session.refused.items(), 1):
            problem = problem or f"the broker refuses the subscription to {topic} ({reason}): check the user's rights"
        return ReceiverStatus(
            connected=self._session.connected,
            problem=self._storage.problem or problem or self._refused or self._incomplete,
            waiting=self._storage.waiting,
            acks=self._acks,
            resends=self._resends,
            deleted=self._retention.counts.deleted,
            held_ms=round(1000 * self._retention.counts.held_s),
            database_bytes=self.database.size_bytes,
            **vars(self._storage.counts),
        )

    def require_alive(self) -> None:
        """Return if every thread is running.

        Raises:
            BrokerError: another receiver has taken the session over, or the broker can't divide events among a group.
            RuntimeError: a thread has died, by a fault of the program.
        """
        if self._session.taken_over:
            raise BrokerError(
                f"another receiver named '{self._settings.name}' has connected: give each one of a site its own --name"
            )
        if self._session.lacks_sharing:
            raise BrokerError(
                f"--group '{self._settings.group}': {self._session.problem}, without which a group gets nothing: "
                "leave --group out, or use a broker with MQTT 5 that serves them"
            )
        delivers = self._webhooks is None or self._webhooks.is_alive
        if not (delivers and all(one.is_alive for one in (self._retention, self._session, self._storage, self))):
            raise RuntimeError("a thread of the receiver has died")

    def _take(self, message: Incoming) -> None:
        """A message has come, in paho's thread."""
        self._heard.hear(message)
        self._storage.take(message)

    def _connected(self, _: int) -> None:
        self._refused = ""
        self._ack_schedule.request_all()

    def _answered(self, _: PublishToken, refusal: str) -> None:
        """The broker has answered for an acknowledgement or a command; MQTT 3.1.1 has no word for a refusal."""
        if not refusal:
            self._refused = ""
            return
        said = (
            f"the broker refuses acknowledgements or commands ({refusal}): "
            "check the user's right to publish under agents/+/ack and agents/+/commands/"
        )
        if not self._refused:
            log.error("%s", said)
        self._refused = said

    def _look_for_states(self) -> None:
        """Ask again for retained states that the broker has dropped."""
        for topic, payload in self._heard.take_waiting():
            self._completeness.take(topic, payload)
        self._completeness.request_missing_states()

    def _stored(self, written: WriteResult) -> None:
        self._ack_schedule.changed(written.covered, time.monotonic())
        self._on_stored(written)

    def _run(self) -> None:
        """The thread that publishes `ack` messages and asks agents to resend missing events."""
        gaps_at_s = 0.0
        while True:
            stopping = self._stopping.wait(ACK_POLL_S)
            try:
                self._acknowledge(math.inf if stopping else time.monotonic())
                self._look_for_states()
                connection = self._session.connection
                if time.monotonic() >= gaps_at_s and connection is not None and not stopping:
                    gaps_at_s = time.monotonic() + GAP_CHECK_INTERVAL_S
                    self._ask(connection)
                    self._say_what_is_missing()
            except StoreError as error:
                log.warning("the database can't be read now: %s", error)
            if stopping:
                return

    def _subscribe(self, more: Sequence[Subscription]) -> None:
        """Ask for these too, beside what is always asked for."""
        self._session.use([*receiver_subscriptions(self._settings), *more])

    def _acknowledge(self, until_s: float) -> None:
        """Publish the `ack` messages due by then; from a new connection on, those of all agents become due."""
        connection = self._session.connection
        if connection is None:
            return
        if self._ack_schedule.take_all_requested():
            self._request_all_agents()
        due = self._ack_schedule.take_due(until_s)
        for (agent, _), ack in (self._store.acks(due) if due else {}).items():
            if self._is_own(agent):
                topic = Topics(self._settings.site, agent).ack
                token = self._session.publish(connection, topic, ack.model_dump_json().encode(), retain=True)
                self._acks += token is not None

    def _request_all_agents(self) -> None:
        try:
            present = self._store.present_epochs()
        except StoreError:
            self._ack_schedule.request_all()  # it is tried again
            raise
        self._ack_schedule.request([epoch for epoch in present if self._is_own(epoch[0])], time.monotonic())

    def _is_own(self, agent: str) -> bool:
        return not self._settings.agents or agent in self._settings.agents

    def _say_what_is_missing(self) -> None:
        """In the status at once; in the log where it is still the same two rounds later."""
        found = self._completeness.problem()
        if found and found == self._incomplete and found != self._logged:
            log.warning("%s: raise the broker's max_queued_messages", found)
            self._logged = found
        self._incomplete = found

    def _ask(self, connection: int) -> None:
        for request in resend_requests_due(self.database, time.time()):
            topic = Topics(self._settings.site, request.agent).command("resend")
            command = request.command
            log.warning("agent %s: asked for events %d to %d again", request.agent, command.first, command.last)
            token = self._session.publish(connection, topic, command.model_dump_json().encode(), retain=False)
            self._resends += token is not None


def _retained_filters(agent: Topics) -> list[str]:
    return [agent.status, agent.health("+"), agent.coverage, agent.model, agent.lost]


def receiver_subscriptions(settings: ReceiverSettings) -> list[Subscription]:
    """The topic filters of a receiver, with their QoS.

    What is retained comes with QoS 0: a broker queues QoS 1 messages up to a limit and drops the rest of a large
    retained set silently. It comes again with every connection, so that nothing is missed; statuses first, since they
    say how many states are to come. By MQTT 5 a shared subscription gets nothing that is retained (Mosquitto 2.0 sends
    it): only events and pictures are shared, which are never retained.
    """
    share = f"$share/{settings.group}/" if settings.group else ""
    agents = [Topics(settings.site, agent) for agent in settings.agents or ("+",)]
    retained = [f for agent in agents for f in _retained_filters(agent)]
    retained += [agent.state(None) for agent in agents]
    queued = [f"{share}{agent.events(None)}" for agent in agents]
    if settings.pictures_mb:
        queued += [f"{share}{agent.evidence(None, '+')}" for agent in agents]
    return [*((topic, 0) for topic in retained), *((topic, 1) for topic in queued)]
