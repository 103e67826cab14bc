"""Finds the message at which the broker drops the connection."""

from collections.abc import Sequence

from edge_agent.reporting.outbox.message import NumberedMessage
from kardus.mqtt.connection import PublishToken
from kardus.mqtt.reasons import Ending

HANG_UPS = 2
"""In a row, on the same message: then the broker won't ever take it."""


class Suspicion:
    """Messages that were unacknowledged when a connection was lost are sent again one by one, each after a probe.

    A probe is what the broker answers whatever it makes of the message (`kardus.mqtt.connection.NEVER_SUBSCRIBED`). A
    link that breaks loses both answers. A broker that answers the probe and drops the connection at the message doesn't
    want the message; nor does one that says so as its reason (MQTT 5). Owned by the delivery's thread.
    """

    def __init__(self) -> None:
        """Nothing is suspected."""
        self._suspects: set[int] = set()
        self._question: PublishToken | None = None
        self._is_answered = False
        self._hung_up_on = 0
        self._times = 0
        self._connection = 0
        """Over which it did so last."""

    @property
    def is_open(self) -> bool:
        """Whether messages are to be sent one by one."""
        return bool(self._suspects)

    def reached(self, next_one: NumberedMessage | None) -> None:
        """`next_one` is sent next; None: nothing is. Suspects that would have come before it are no longer queued."""
        if next_one is None or (not next_one.message.urgent and next_one.id > max(self._suspects, default=0)):
            self._suspects.clear()

    def asked(self, question: PublishToken | None) -> None:
        """A message follows this probe."""
        self._question, self._is_answered = question, False

    def answered(self, token: PublishToken) -> None:
        """The broker has acknowledged a message, or answered the probe."""
        self._is_answered = self._is_answered or token == self._question

    def clear(self, number: int) -> None:
        """The broker has taken this message, or refused it as it should, or nobody sends it any more."""
        self._suspects.discard(number)

    def lost(self, connection: int, ending: Ending, unanswered: Sequence[NumberedMessage]) -> NumberedMessage | None:
        """A connection was lost with these unanswered, in their order; the one to blame, once that is certain."""
        was_open, times, self._times = self.is_open, self._times, 0
        if not unanswered or not ending.may_be_of_a_message:
            return None
        self._suspects |= {stored.id for stored in unanswered}
        first = unanswered[0]
        if not was_open or len(unanswered) > 1 or not (self._is_answered or ending.code is not None):
            return None
        in_a_row = first.id == self._hung_up_on and connection == self._connection + 1
        self._hung_up_on, self._connection, self._times = first.id, connection, times + 1 if in_a_row else 1
        return first if self._times >= HANG_UPS else None
