"""Delivery: sends what is in the outbox to the broker, and deletes it once the broker, or the WMS, has stored it."""

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from edge_agent.reporting.outbox.message import NumberedMessage
from edge_agent.reporting.outbox.outbox import Outbox
from edge_agent.reporting.suspicion import Suspicion
from kardus.contract.receipts import Ack
from kardus.mqtt.connection import MAX_IN_FLIGHT, PublishToken
from kardus.mqtt.reasons import Ending
from kardus.mqtt.session import MqttSession
from kardus.support.clock import SYSTEM_CLOCK, Clock
from kardus.support.control_characters import escaped
from kardus.support.errors import KardusError
from kardus.support.vitals import Heartbeat
from kardus.support.worker import Worker

RETRY_S = 1.0
"""The longest pause between two rounds."""
READ_AHEAD = 200
"""So many messages are read from the disk at once, and so many acknowledged ones are forgotten at once ..."""
FORGET_WITHIN_S = 0.1
"""... or after so long."""
ACKNOWLEDGED_WITHIN_S = 30.0
"""A broker that hasn't acknowledged a message for so long gets a new connection."""
REFUSED_FOR_S = 30.0
"""A message that the broker refuses is tried again after so long; its location waits, the others go on."""
CONFIRMED_WITHIN_S = 60.0
"""An event that the broker acknowledged, and the WMS hasn't confirmed for so long, is sent again."""
log = logging.getLogger("kardus.delivery")


@dataclass
class _Flight:
    """What is between the outbox and the broker. Belongs to the delivery's thread."""

    connection: int | None = None
    ready: deque[NumberedMessage] = field(default_factory=deque)
    """Read from the disk, and not handed over yet."""
    out: dict[PublishToken, tuple[NumberedMessage, float]] = field(default_factory=dict)
    """Handed over at this monotonic time, and not answered yet."""
    done: list[int] = field(default_factory=list)
    """Acknowledged, and still on the disk."""
    done_since_s: float = 0.0
    refused: dict[str, float] = field(default_factory=dict)
    """Locations (or topics) that wait until this monotonic time, since the broker refused a message of theirs ..."""
    held: set[int] = field(default_factory=set)
    """... and their messages, that others behind them are read."""
    spared: dict[str, float] = field(default_factory=dict)
    """The same over several connections, since the broker hung up on a message of theirs."""
    more: bool = True
    """Whether the disk may hold messages that weren't read: the broker's answers alone are no reason to read it."""

    def begin(self, connection: int) -> None:
        """Over a new connection everything unanswered is sent again, in its order."""
        self.connection = connection
        self.out.clear()
        self.refused = dict(self.spared)
        self.held.clear()
        self.read_again()

    def read_again(self) -> None:
        """What is next may have changed."""
        self.ready.clear()
        self.more = True

    def ids(self) -> set[int]:
        """Messages that needn't be read again."""
        return {s.id for s in self.ready} | {s.id for s, _ in self.out.values()} | set(self.done) | self.held


LAST_S = 1.5
"""How long a clean stop waits for what is still in the outbox ..."""
ENDING_S = 2.0
"""... and for the broker in all: whatever it does, an agent ends within 3 s, and it has other parts to stop."""


class Delivery(Worker):
    """One thread between the outbox and the session. At most MAX_IN_FLIGHT messages are with the broker at a time."""

    def __init__(
        self,
        outbox: Outbox,
        session: MqttSession,
        clock: Clock = SYSTEM_CLOCK,
        on_refused_ack: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; `start` begins. `on_refused_ack` counts acknowledgements of what was never sent."""
        super().__init__("delivery")
        self._on_refused_ack = on_refused_ack
        self._clock = clock
        self._outbox = outbox
        self._session = session
        self._flight = _Flight()
        self._suspicion = Suspicion()
        self._takes_some = True
        """Whether the broker has taken a message since one was set aside: if it takes none, it isn't the messages."""
        self._endings: queue.SimpleQueue[tuple[int, Ending]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[PublishToken, str]] = queue.SimpleQueue()
        self._confirmations: queue.SimpleQueue[Ack] = queue.SimpleQueue()
        self._wake, self._news = threading.Event(), threading.Event()
        self._refused_over = 0
        """The last connection over which the broker refused what isn't of the outbox."""
        self._checked_s = self._clock.monotonic_s()
        self.heartbeat = Heartbeat()
        """Beats at every round."""
        outbox.on_news = self.wake

    def wake(self) -> None:
        """Look into the outbox at once: it has news, or the broker is connected. May be called from any thread."""
        self._news.set()
        self._wake.set()

    def acknowledged(self, token: PublishToken, refusal: str) -> None:
        """The broker has answered for a message: why it refused it, or nothing. Called from the session's thread."""
        self._answers.put((token, refusal))
        if self._flight.ready or self._flight.more:  # else it can wait: every waking takes time from the other threads
            self._wake.set()

    def lost(self, connection: int, ending: Ending) -> None:
        """A connection was lost. Called from the session's thread before there is another one."""
        self._endings.put((connection, ending))
        self._wake.set()

    def confirmed(self, ack: Ack) -> None:
        """The WMS has stored these events for good. May be called from any thread."""
        self._confirmations.put(ack)
        self._wake.set()

    def drain(self, timeout_s: float = LAST_S) -> bool:
        """Wait until the broker has everything; False if it hasn't in time: the rest is sent after the next start."""
        deadline = time.monotonic() + timeout_s
        while waiting := self._outbox.depth().total:
            if time.monotonic() > deadline or not self._session.connected:
                log.warning("%d messages stay in the outbox until the next start", waiting)
                return False
            self._stopping.wait(0.02)
        return True

    def stop(self, timeout_s: float | None = None) -> None:
        """Stop delivering; what is left stays in the outbox. May be called twice."""
        self._stopping.set()
        self._wake.set()
        super().stop(timeout_s)

    def finish(self, farewell: Callable[[], tuple[str, bytes]]) -> None:
        """Deliver what is left, say a last retained message, and disconnect: within ENDING_S, and little more.

        Args:
            farewell: gives topic and payload of the last message; called when it is its turn.
        """
        until_s = time.monotonic() + ENDING_S
        with contextlib.ExitStack() as stops:  # each is called, even if another fails
            stops.callback(lambda: self._session.stop(farewell(), until_s - time.monotonic()))
            stops.callback(self.stop)
            self.drain()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(FORGET_WITHIN_S if self._flight.done or self._flight.out else RETRY_S)
            self._wake.clear()
            self.heartbeat.beat()
            try:
                self._round()
            except KardusError as error:
                log.error("%s", error)  # noqa: TRY400 - the message says it all
                self._stopping.wait(RETRY_S)
        if self._flight.done:
            self._forget()

    def _round(self) -> None:
        if self._news.is_set():
            self._news.clear()
            self._flight.more = True
        self._settle()
        self._confirm()
        self._send()
        self._check_now_and_then()

    def _settle(self) -> None:
        """Take the broker's answers; forget what it has, some at a time."""
        flight, now_s = self._flight, self._clock.monotonic_s()
        endings = [self._endings.get() for _ in range(self._endings.qsize())]  # their last answers came before them
        while not self._answers.empty():
            token, refusal = self._answers.get()
            self._suspicion.answered(token)
            stored, _ = flight.out.pop(token, (None, 0.0))
            if stored is None:
                self._handle_refusal(token, refusal)
                continue  # of an earlier connection, or not of the outbox
            self._suspicion.clear(stored.id)
            if not refusal:
                flight.done_since_s = flight.done_since_s if flight.done else now_s
                flight.done.append(stored.id)
                self._takes_some = True
            else:
                log.error(
                    "the broker refuses %s (%s): check the agent's rights on the broker", stored.message.topic, refusal
                )
                flight.refused[_ordering_key(stored)] = now_s + REFUSED_FOR_S
        for connection, ending in endings:
            self._blame(connection, ending)
        if len(flight.done) >= READ_AHEAD or (flight.done and now_s - flight.done_since_s >= FORGET_WITHIN_S):
            self._forget()

    def _handle_refusal(self, token: PublishToken, refusal: str) -> None:
        """Status, health and replies aren't in the outbox, and are said again later: once a connection is enough."""
        if refusal and token.connection == self._session.connection != self._refused_over:
            self._refused_over = token.connection
            log.error(
                "the broker refuses what the agent says of itself (%s): check its right to publish status, health, "
                "coverage, model and replies",
                refusal,
            )

    def _blame(self, connection: int, ending: Ending) -> None:
        """A connection was lost: set the message aside that the broker hangs up on, once that is certain."""
        flight = self._flight
        if connection != flight.connection:
            return
        stored = self._suspicion.lost(connection, ending, [stored for stored, _ in flight.out.values()])
        flight.out.clear()
        if stored is None:
            return
        self._suspicion.clear(stored.id)
        topic = escaped(stored.message.topic)
        if self._takes_some and not ending.is_of_rights:
            log.error("the broker hangs up on %s (%s): set aside, and never sent again", topic, ending.text)
            self._outbox.set_aside(stored.id)
            self._takes_some = False
        else:
            log.error("the broker hangs up on %s (%s): check the agent's rights on the broker", topic, ending.text)
            flight.spared[_ordering_key(stored)] = self._clock.monotonic_s() + REFUSED_FOR_S

    def _forget(self) -> None:
        self._outbox.delivered(self._flight.done)
        self._flight.done = []

    def _confirm(self) -> None:
        while not self._confirmations.empty():
            ack = self._confirmations.get()
            if not self._outbox.confirm(ack.epoch, [(1, ack.contiguous_to), *ack.ranges]):
                self._on_refused_ack()
                outbox = self._outbox
                said = f"the last being {outbox.last_sequence}" if ack.epoch == outbox.epoch else "far beyond its last"
                log.error(
                    "an acknowledgement up to event %d is refused, %s (epoch %s): look who else publishes "
                    "acknowledgements",
                    max([ack.contiguous_to, *(last for _, last in ack.ranges)]),
                    said,
                    escaped(ack.epoch),
                )

    def _send(self) -> None:
        """Hand over what is next. What an earlier connection left unanswered is sent again, in its order."""
        connection, flight = self._session.connection, self._flight
        if connection is None:
            return
        if connection != flight.connection:
            self._settle()  # the last one's ending came before this one
            flight.begin(connection)
        while len(flight.out) < (1 if self._suspicion.is_open else MAX_IN_FLIGHT):
            stored = self._next()
            self._suspicion.reached(stored)
            if stored is None:
                return
            message = stored.message
            if self._suspicion.is_open:
                self._suspicion.asked(self._session.ask(connection))
            token = self._session.publish(connection, message.topic, message.payload, retain=message.retain)
            if token is None:
                flight.ready.appendleft(stored)
                return
            flight.out[token] = stored, self._clock.monotonic_s()

    def _next(self) -> NumberedMessage | None:
        """The next message that isn't held back by a refusal."""
        flight, now_s = self._flight, self._clock.monotonic_s()
        if any(until <= now_s for until in flight.refused.values()):
            flight.refused = {key: until for key, until in flight.refused.items() if until > now_s}
            flight.spared = {key: until for key, until in flight.spared.items() if until > now_s}
            flight.held.clear()
            flight.read_again()  # the refused messages, and those held back, come before others of their location
        while flight.ready or (flight.more and self._read_more()):
            stored = flight.ready.popleft()
            if _ordering_key(stored) not in flight.refused:
                return stored
            flight.held.add(stored.id)
        return None

    def _read_more(self) -> bool:
        found = self._outbox.pending(READ_AHEAD, self._flight.ids())
        self._flight.ready.extend(found)
        self._flight.more = len(found) == READ_AHEAD
        return bool(found)

    def _check_now_and_then(self) -> None:
        """Every RETRY_S: read the disk, doubt a broker that doesn't answer, send unconfirmed events again."""
        now_s = self._clock.monotonic_s()
        if now_s - self._checked_s < RETRY_S:
            return
        self._checked_s = now_s
        self._flight.more = True
        oldest_s = min((since for _, since in self._flight.out.values()), default=now_s)
        if now_s - oldest_s > ACKNOWLEDGED_WITHIN_S and self._flight.connection is not None:
            log.warning("the broker has acknowledged nothing for %.0f s: connecting again", now_s - oldest_s)
            self._session.drop(self._flight.connection)
        if self._session.connected and self._outbox.send_unconfirmed_again(CONFIRMED_WITHIN_S):
            self.wake()


def _ordering_key(stored: NumberedMessage) -> str:
    """Messages with the same key are sent in their order."""
    return stored.message.location or stored.message.topic
