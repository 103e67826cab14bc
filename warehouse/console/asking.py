"""Asks agents something over MQTT, and waits a little for their answers: without a broker nothing else is lost."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from pydantic import ValidationError

from kardus.contract.commands import Command, Reply
from kardus.contract.topics import Topics
from kardus.mqtt.connection import Handlers, Incoming
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from kardus.support.identifiers import uuid7
from warehouse.console.problems import ProblemError

ANSWER_S = 5.0
"""So long the answers are waited for ..."""
EXPIRES_S = 60.0
"""... and so long the agent takes the command: afterwards nobody means it any more."""


@dataclass(frozen=True)
class Question:
    """A command for an agent."""

    agent: str
    name: str
    command: Command


class AgentQuestions:
    """One connection to the broker, which comes back by itself. For any thread."""

    def __init__(self, broker: BrokerSettings, site: str) -> None:
        """Connect; returns at once.

        Raises:
            ConfigError: the password or a certificate can't be used.
        """
        self._site = site
        self._caller = f"console-{uuid7()}"
        self._answers: dict[str, Reply | None] = {}
        self._answered = threading.Condition()
        replies = f"{Topics(site, '+').replies}/{self._caller}"
        self._session = MqttSession(broker, f"kardus-{self._caller}", [(replies, 1)])
        self._session.start(Handlers(on_message=self._take))

    def ask(
        self, questions: list[Question], wait_s: float | None = None, is_given_up: Callable[[], bool] = lambda: False
    ) -> list[Reply | None]:
        """Ask at once, and wait for the answers, by default `ANSWER_S`; None: an agent hasn't answered in time.

        `is_given_up` ends the waiting; whoever makes it true calls `wake`.

        Raises:
            ProblemError: 503: there is no connection to the broker; nobody was asked.
        """
        connection = self._session.connection
        if connection is None:
            raise ProblemError(503, f"the broker can't be reached ({self._session.problem or 'connecting'}): try again")
        keys = [uuid7() for _ in questions]
        expires = datetime.now(UTC) + timedelta(seconds=EXPIRES_S)
        with self._answered:
            self._answers |= dict.fromkeys(keys)
        try:
            for key, question in zip(keys, questions, strict=True):
                topics = Topics(self._site, question.agent)
                more = {"expires": expires, "response_topic": f"{topics.replies}/{self._caller}", "correlation": key}
                text = question.command.model_copy(update=more).model_dump_json().encode()
                if self._session.publish(connection, topics.command(question.name), text, retain=False) is None:
                    raise ProblemError(503, "the connection to the broker was lost: try again")
            with self._answered:
                self._answered.wait_for(
                    lambda: is_given_up() or all(self._answers[key] for key in keys), wait_s or ANSWER_S
                )
                return [self._answers[key] for key in keys]
        finally:
            with self._answered:
                for key in keys:
                    self._answers.pop(key)

    def wake(self) -> None:
        """Let everybody who waits look whether he still does."""
        with self._answered:
            self._answered.notify_all()

    def close(self) -> None:
        """Disconnect."""
        self._session.stop()

    def __enter__(self) -> Self:
        """Already begun."""
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self.close()

    def _take(self, message: Incoming) -> None:
        try:
            reply = Reply.model_validate_json(message.payload)
        except ValidationError:
            return
        with self._answered:
            if reply.correlation in self._answers:
                self._answers[reply.correlation] = reply
                self._answered.notify_all()
