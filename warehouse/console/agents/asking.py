"""Asks agents something over MQTT, and waits a little for their answers: without a broker nothing else is lost.

An agent that has said that it is offline isn't asked: nobody waits for it, and it does nothing by surprise when it is
back.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self

from pydantic import ValidationError

from kardus.contract.commands import Command, Reply
from kardus.contract.messages import AgentStatus, Envelope
from kardus.contract.topics import Topics, is_id
from kardus.mqtt.connection import Handlers
from kardus.mqtt.incoming import Incoming
from kardus.mqtt.session import MqttSession
from kardus.mqtt.settings import BrokerSettings
from kardus.support.identifiers import uuid7
from warehouse.console.problems import ProblemError

ANSWER_S = 5.0
"""So long the answers are waited for ..."""
EXPIRES_S = 60.0
"""... and so long the agent takes the command: afterwards nobody means it any more."""
_STATUS = Envelope[AgentStatus]


@dataclass(frozen=True)
class AgentQuestion:
    """A command for an agent."""

    agent: str
    name: str
    command: Command

    def __post_init__(self) -> None:
        """The name becomes a level of a topic: no other topic, and none that a broker closes the connection for.

        Raises:
            ProblemError: 422: it isn't the name of an agent.
        """
        if not is_id(self.agent):
            raise ProblemError(422, f"{self.agent!r} isn't the name of an agent: see the list of agents")


class Unanswered(StrEnum):
    """What there is in place of an agent's reply, in words for the audit log."""

    SILENT = "no answer yet"
    """It was asked, and may do it within `EXPIRES_S`."""
    OFFLINE = "offline: it wasn't asked"


AgentAnswer = Reply | Unanswered


class AgentQuestions:
    """One connection to the broker, which comes back by itself. For any thread."""

    def __init__(self, broker: BrokerSettings, site: str) -> None:
        """Connect; returns at once.

        Raises:
            ConfigError: the password or a certificate can't be used.
        """
        self._site = site
        self._caller = f"console-{uuid7()}"
        self._replies: dict[str, Reply | None] = {}
        self._offline: set[str] = set()
        """Agents that said so last. Of who has said nothing nothing is known: he is asked."""
        self._changed = threading.Condition()
        every = Topics(site, "+")
        filters = [(f"{every.replies}/{self._caller}", 1), (every.status, 1)]
        self._session = MqttSession(broker, f"kardus-{self._caller}", filters)
        self._session.start(Handlers(on_connect=self._forget, on_message=self._take))

    def ask(
        self,
        questions: list[AgentQuestion],
        wait_s: float | None = None,
        is_given_up: Callable[[], bool] = lambda: False,
    ) -> list[AgentAnswer]:
        """Ask at once those that aren't offline, and wait for their answers, by default `ANSWER_S`.

        `is_given_up` ends the waiting; whoever makes it true calls `wake`.

        Raises:
            ProblemError: 503: there is no connection to the broker; nobody was asked.
        """
        if not questions:
            return []
        connection = self._session.connection
        if connection is None:
            raise ProblemError(503, f"the broker can't be reached ({self._session.problem or 'connecting'}): try again")
        with self._changed:
            keys = {place: uuid7() for place, one in enumerate(questions) if one.agent not in self._offline}
            self._replies |= dict.fromkeys(keys.values())
        try:
            for place, key in keys.items():
                self._send(connection, key, questions[place])
            with self._changed:
                self._changed.wait_for(
                    lambda: is_given_up() or all(self._replies[key] for key in keys.values()), wait_s or ANSWER_S
                )
                found = {place: self._replies[key] or Unanswered.SILENT for place, key in keys.items()}
        finally:
            with self._changed:
                for key in keys.values():
                    self._replies.pop(key)
        return [found.get(place, Unanswered.OFFLINE) for place in range(len(questions))]

    def wake(self) -> None:
        """Let everybody who waits look whether he still does."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Disconnect."""
        self._session.stop()

    def __enter__(self) -> Self:
        """The questions: they are connected already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self.close()

    def _send(self, connection: int, key: str, question: AgentQuestion) -> None:
        topics = Topics(self._site, question.agent)
        expires = datetime.now(UTC) + timedelta(seconds=EXPIRES_S)
        more = {"expires": expires, "response_topic": f"{topics.replies}/{self._caller}", "correlation": key}
        text = question.command.model_copy(update=more).model_dump_json().encode()
        if self._session.publish(connection, topics.command(question.name), text, retain=False) is None:
            raise ProblemError(503, "the connection to the broker was lost: try again")

    def _forget(self, _: int) -> None:
        """Who was offline before this connection says so again, or is back."""
        with self._changed:
            self._offline.clear()

    def _take(self, message: Incoming) -> None:
        agent = message.topic.split("/")[-2]
        if message.topic == Topics(self._site, agent).status:
            self._note_status(agent, message.payload)
        else:
            self._note_reply(message.payload)

    def _note_status(self, agent: str, payload: bytes) -> None:
        """An empty one is of an agent that was forgotten."""
        is_offline = False
        if payload:
            try:
                is_offline = _STATUS.model_validate_json(payload).data.status == "offline"
            except ValidationError:
                return
        with self._changed:
            (self._offline.add if is_offline else self._offline.discard)(agent)

    def _note_reply(self, payload: bytes) -> None:
        try:
            reply = Reply.model_validate_json(payload)
        except ValidationError:
            return
        with self._changed:
            if reply.correlation in self._replies:
                self._replies[reply.correlation] = reply
                self._changed.notify_all()
