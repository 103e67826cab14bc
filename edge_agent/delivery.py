"""Carries messages from the outbox to the broker, and forgets them when the broker has them."""

from __future__ import annotations

import logging
import queue
import threading
import time

from edge_agent.errors import KardusError
from edge_agent.health.vitals import Pulse
from edge_agent.mqtt.connection import MAX_IN_FLIGHT, Token
from edge_agent.mqtt.session import MqttSession
from edge_agent.outbox import Outbox

RETRY_S = 1.0
log = logging.getLogger("kardus.delivery")


class Delivery:
    """One thread between the outbox and the session. At most MAX_IN_FLIGHT messages are with the broker at a time."""

    def __init__(self, outbox: Outbox, session: MqttSession) -> None:
        """Prepare; `start` begins."""
        self._outbox = outbox
        self._session = session
        self._connection: int | None = None
        self._in_flight: dict[
            Token, int
        ] = {}  # over the present connection: the session's token -> the outbox's number
        self._acknowledged: queue.SimpleQueue[tuple[Token, bool]] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self.pulse = Pulse()
        """Beats at every round."""
        self._thread = threading.Thread(target=self._carry, name="delivery", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Something new is in the outbox, or the broker is there again."""
        self._wake.set()

    def acknowledged(self, token: Token, accepted: bool) -> None:  # noqa: FBT001 - paho's callback
        """The broker has answered for a message. Called from the session's thread."""
        self._acknowledged.put((token, accepted))
        self._wake.set()

    def drain(self, timeout_s: float) -> bool:
        """Wait until the outbox is empty; False if it isn't in time."""
        deadline = time.monotonic() + timeout_s
        while self._outbox.depth():
            if time.monotonic() > deadline or not self._session.connected:
                return False
            self._stopping.wait(0.02)
        return True

    def stop(self) -> None:
        """Stop delivering; what is left stays in the outbox. May be called twice."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _carry(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(RETRY_S)
            self._wake.clear()
            self.pulse.beat()
            try:
                self._settle()
                self._send()
            except KardusError as error:
                log.error("%s", error)  # noqa: TRY400 - the message says it all

    def _settle(self) -> None:
        """Forget what the broker has taken; what it refused is sent again with the next round."""
        done = []
        while not self._acknowledged.empty():
            token, accepted = self._acknowledged.get()
            stored = self._in_flight.pop(token, None)
            if stored is not None and accepted:
                done.append(stored)
            elif not accepted:
                log.warning("the broker refused a message: check the agent's rights on the broker")
                self._stopping.wait(RETRY_S)
        if done:
            self._outbox.delivered(done)

    def _send(self) -> None:
        """Hand over the oldest messages. What an earlier connection left unanswered is sent again, in its order."""
        connection = self._session.connection
        if connection is None:
            return
        if connection != self._connection:
            self._in_flight.clear()
            self._connection = connection
        with_broker = set(self._in_flight.values())
        for stored in self._outbox.pending(MAX_IN_FLIGHT):
            if stored.id in with_broker or len(self._in_flight) >= MAX_IN_FLIGHT:
                continue
            message = stored.message
            token = self._session.publish(connection, message.topic, message.payload, retain=message.retain)
            if token is None:
                return
            self._in_flight[token] = stored.id
