"""A broker in memory behind the interface of kardus.mqtt's session, which answers only when the test says so."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from edge_agent.reporting.delivery import Delivery
from edge_agent.reporting.outbox.outbox import Outbox
from kardus.mqtt.connection import PublishToken
from kardus.mqtt.reasons import Ending
from kardus.mqtt.session import MqttSession
from kardus.support.clock import SetClock


@dataclass(frozen=True)
class Published:
    """A message on its way to the broker."""

    token: PublishToken
    topic: str
    payload: bytes


class ModelSession:
    """The session and the broker in one."""

    def __init__(self) -> None:
        self.connection: int | None = None
        self.connections = 0
        self.unanswered: list[Published] = []
        """Sent over the present connection, in their order."""
        self.received: list[Published] = []
        """What the broker has passed on to its subscribers, in their order."""
        self.dropped: list[int] = []
        """Connections that the delivery gave up."""
        self.answer: Callable[[PublishToken, str], None] = lambda *_: None
        self.on_lost: Callable[[int, Ending], None] = lambda *_: None
        self.question: PublishToken | None = None
        self._messages = 0

    @property
    def connected(self) -> bool:
        return self.connection is not None

    def connect(self) -> None:
        """A new connection, in place of the present one."""
        self.lose()
        self.connections += 1
        self._messages = 0
        self.connection = self.connections

    def lose(self) -> None:
        """The connection is lost, and all answers with it."""
        self.connection = None
        self.unanswered.clear()

    def publish(
        self,
        connection: int,
        topic: str,
        payload: bytes,
        *,
        retain: bool,  # noqa: ARG002 - subscribers get what is retained as it comes
    ) -> PublishToken | None:
        if connection != self.connection:
            return None
        self._messages += 1
        token = PublishToken(connection, self._messages)
        self.unanswered.append(Published(token, topic, payload))
        return token

    def ask(self, connection: int) -> PublishToken | None:
        if connection != self.connection:
            return None
        self._messages += 1
        self.question = PublishToken(connection, self._messages)
        return self.question

    def hang_up(self, ending: Ending, *, answers_first: bool = True) -> None:
        """End the connection, after the answer to the last question; the next one stands at once."""
        if answers_first and self.question is not None:
            self.answer(self.question, "")
        self.question = None
        self.on_lost(self.connections, ending)
        self.connect()

    def drop(self, connection: int) -> None:
        self.dropped.append(connection)
        self.connect()

    def accept(self) -> Published:
        """Pass the oldest message on, and acknowledge it."""
        published = self.unanswered.pop(0)
        self.received.append(published)
        self.answer(published.token, "")
        return published

    def pass_on_without_answer(self) -> Published:
        """Pass the oldest message on; the connection is lost before its acknowledgement comes."""
        published = self.unanswered.pop(0)
        self.received.append(published)
        self.connect()
        return published

    def refuse(self, alike: Callable[[str], bool]) -> None:
        """Refuse every message on its way whose topic is such."""
        for published in [published for published in self.unanswered if alike(published.topic)]:
            self.unanswered.remove(published)
            self.answer(published.token, "not authorised")


class Rounds:
    """A delivery whose rounds the test calls itself, between a real outbox and a model of the broker."""

    def __init__(self, folder: Path) -> None:
        self.clock = SetClock(datetime(2026, 1, 2, tzinfo=UTC))
        self.outbox = Outbox(folder / "outbox.sqlite")
        self.broker = ModelSession()
        self.delivery = Delivery(self.outbox, cast("MqttSession", self.broker), self.clock)
        self.broker.answer, self.broker.on_lost = self.delivery.acknowledged, self.delivery.lost
        self.broker.connect()

    def go(self, after_s: float = 0.0) -> list[str]:
        """Let time go by, and do a round; what is on its way then."""
        self.clock.set(self.clock.now(), self.clock.monotonic_s() + after_s)
        self.delivery._round()
        return [published.topic for published in self.broker.unanswered]
