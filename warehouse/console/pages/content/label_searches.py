"""Searches for labels that run while nobody's request waits for them: an agent takes seconds, on a small box more.

One at a time for each camera, a few for all; who asks for the same again gets the one that runs. Each has a thread of
its own, which waits for the agent's answer, at most LABELS_S, or until somebody stops it.
"""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from kardus.contract.commands import FindLabels
from kardus.support.identifiers import uuid7
from warehouse.console.agents.asking import AgentQuestion, AgentQuestions, Unanswered
from warehouse.console.pages.words.languages import N_
from warehouse.console.pages.words.unanswered import unanswered
from warehouse.console.problems import ProblemError

LABELS_S = 90.0
"""So long labels may be read: a picture of 3840 x 2160 takes several seconds of one core, on a small box more."""
MAX_SEARCHES = 4
"""So many run at once: each keeps an agent and a thread."""
KEPT_S = 120.0
"""So long what came of one is kept for whoever began it."""


@dataclass
class Search:
    """A search for labels in a camera's picture."""

    agent: str
    command: FindLabels
    id: str = field(default_factory=uuid7)
    began_s: float = field(default_factory=time.monotonic)
    ended_s: float | None = None
    result: dict[str, Any] | None = None
    refusal: str = ""
    """Why the agent doesn't do it, in its words."""
    problem: ProblemError | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, however it did."""
        return self.ended_s is not None

    @property
    def lasted_s(self) -> float:
        """How long it has run."""
        return (self.ended_s or time.monotonic()) - self.began_s

    def is_of(self, agent: str, camera: str) -> bool:
        """Whether it looks through this camera."""
        return (self.agent, self.command.camera) == (agent, camera)


class LabelSearches:
    """Those of one server. For any thread."""

    def __init__(self) -> None:
        """No search runs yet."""
        self._lock = threading.Lock()
        self._searches: dict[str, Search] = {}

    def begin(self, asking: AgentQuestions, agent: str, command: FindLabels) -> Search:
        """Begin one, or join the one that runs and asks for the same.

        Raises:
            ProblemError: 409: this camera is searched for something else; 429: too many run.
        """
        with self._lock:
            self._forget()
            running = [one for one in self._searches.values() if not one.is_over]
            for one in running:
                if one.is_of(agent, command.camera):
                    if one.command == command:
                        return one
                    raise ProblemError(
                        409, N_("Labels are being looked for in this camera's picture: stop that first.")
                    )
            if len(running) >= MAX_SEARCHES:
                raise ProblemError(429, N_("Labels are being looked for at too many cameras: wait a little."))
            found = Search(agent, command)
            self._searches[found.id] = found
        threading.Thread(target=_run, args=(found, asking), name="labels", daemon=True).start()
        return found

    def get(self, id_: str) -> Search:
        """The search with this id.

        Raises:
            ProblemError: 404: there is none, or it ended long ago.
        """
        with self._lock:
            self._forget()
            found = self._searches.get(id_)
        if found is None:
            raise ProblemError(404, N_("This search is over: look for the labels again."))
        return found

    def stop(self, id_: str, asking: AgentQuestions) -> None:
        """Wait for it no more; what the agent answers later counts for nothing."""
        self.get(id_).stopped.set()
        asking.wake()

    def _forget(self) -> None:
        old = time.monotonic() - KEPT_S
        for id_ in [one.id for one in self._searches.values() if one.ended_s is not None and one.ended_s < old]:
            del self._searches[id_]


def _run(search: Search, asking: AgentQuestions) -> None:
    try:
        question = AgentQuestion(search.agent, "find-labels", search.command)
        (reply,) = asking.ask([question], LABELS_S, search.stopped.is_set)
        if search.stopped.is_set():
            search.problem = ProblemError(410, N_("The search was stopped."))
        elif isinstance(reply, Unanswered):
            search.problem = unanswered(reply)
        elif reply.ok:
            search.result = reply.result
        else:
            search.refusal = reply.error or "?"
    except ProblemError as error:
        search.problem = error
    finally:
        search.ended_s = time.monotonic()
