"""Keeps a connection subscribed to what is wanted, in portions, and tells what the broker refuses."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence

from kardus.mqtt.connection import CONNECT_TIMEOUT_S, Connection, Subscription

SUBSCRIBE_PORTION = 500
"""Brokers queue about 1,000 messages a client and drop the rest of a retained flood silently: so ask in portions."""
QUIET_S = 0.3
"""A portion's retained messages are taken to be there when none has come for this long ..."""
PORTION_LIMIT_S = 10.0
"""... or after this long, on a busy site."""
_HEAD_BYTES, _FILTER_BYTES = 10, 3
"""What a packet of subscriptions has (MQTT 5, 3.8), and what each in it has beside its filter's text."""
SHARED_PREFIX = "$share/"
"""What the filter of a shared subscription begins with."""
log = logging.getLogger("kardus.mqtt")


class Subscriber:
    """The subscriptions of one connection. Owned by the session's thread."""

    def __init__(
        self,
        connection: Connection,
        wait_for: Callable[[Callable[[], bool], float], bool],
        is_over: Callable[[], bool],
    ) -> None:
        """Nothing is subscribed yet.

        Args:
            connection: which one.
            wait_for: waits for a condition on the connection, at most so many seconds; whether it holds.
            is_over: whether the connection is of no more use.
        """
        self.present: list[Subscription] = []
        """What the broker has answered for."""
        self.refused: dict[str, str] = {}
        """Topic filters that it refused, and why."""
        self._connection = connection
        self._wait_for = wait_for
        self._is_over = is_over

    @property
    def refuses_sharing(self) -> bool:
        """Whether a shared subscription was refused."""
        return any(topic.startswith(SHARED_PREFIX) for topic in self.refused)

    def subscribe(self, wanted: list[Subscription]) -> None:
        """Subscribe to what is new in portions, the next when what is retained for the last has come."""
        kept, known = set(wanted), set(self.present)
        packet_bytes = self._connection.limits.packet_bytes
        for packet in _packets([old for old in self.present if old not in kept], packet_bytes):
            self._connection.unsubscribe([topic for topic, _ in packet])
        new = [wish for wish in wanted if wish not in known]
        for start in range(0, len(new), SUBSCRIBE_PORTION):
            if start:
                self._await_quiet()
            for packet in _packets(new[start : start + SUBSCRIBE_PORTION], packet_bytes):
                self._ask(packet)
        self.present = wanted

    def _ask(self, portion: Sequence[Subscription]) -> None:
        """Subscribe, and take the broker's answer."""
        number = self._connection.subscribe(portion)
        self._wait_for(lambda: number in self._connection.subscribed or self._is_over(), CONNECT_TIMEOUT_S)
        answers = self._connection.subscribed.get(number or 0, [])
        refused = {wish[0]: reason for wish, reason in zip(portion, answers, strict=False) if reason}
        if not refused:
            return
        topic, reason = next(iter(refused.items()))
        more = f", and {len(refused) - 1} more" if len(refused) > 1 else ""
        log.error("the broker refuses the subscription to %s (%s)%s: check the user's rights", topic, reason, more)
        self.refused = self.refused | refused  # a new one: other threads look through it meanwhile

    def _await_quiet(self) -> None:
        deadline = time.monotonic() + PORTION_LIMIT_S
        known = -1
        while known != self._connection.received and time.monotonic() < deadline:
            known = self._connection.received
            if self._wait_for(self._is_over, QUIET_S):
                return


def _packets(wanted: Sequence[Subscription], most_bytes: int | None) -> Iterator[list[Subscription]]:
    """As many at a time as go into a packet that the broker reads; None: it doesn't say how long one may be."""
    packet: list[Subscription] = []
    length = _HEAD_BYTES
    for wish in wanted:
        more = _FILTER_BYTES + len(wish[0].encode())
        if packet and most_bytes is not None and length + more > most_bytes:
            yield packet
            packet, length = [], _HEAD_BYTES
        packet.append(wish)
        length += more
    if packet:
        yield packet
