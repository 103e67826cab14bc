"""Finds out which message it is that the broker hangs up on."""

from collections.abc import Sequence

from edge_agent.reporting.outbox.message import NumberedMessage
from kardus.mqtt.connection import PublishToken
from kardus.mqtt.reasons import Ending

HANG_UPS = 2
"""In a row, on the same message: then the broker won't ever take it."""


class Suspicion:
    """What was unanswered when a connection was lost is sent again one by one, each right behind a question.

    A link that breaks takes the answers to both with it. A broker that answers the question and hangs up on the message
    doesn't want the message; so does one that gives it as its reason (MQTT 5). Owned by the delivery's thread.
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
        """This is to be sent next; None: nothing is. Suspects that would have come before it have been replaced."""
        if next_one is None or (not next_one.message.urgent and next_one.id > max(self._suspects, default=0)):
            self._suspects.clear()

    def asked(self, question: PublishToken | None) -> None:
        """A message follows this question."""
        self._question, self._is_answered = question, False

    def answered(self, token: PublishToken) -> None:
        """The broker has answered: a message, or the question."""
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
