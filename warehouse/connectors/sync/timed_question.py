"""A question to a database or a folder that ends in time, whatever the other side does.

Most databases' drivers have no limit of their own, and a folder on a server that is away answers when that is back.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from kardus.support.threaded_call import begin_call, is_over
from warehouse.connectors.sync.source import SourceError

Found = TypeVar("Found")


class LateAnswerError(SourceError):
    """The other side takes longer than it may."""


class TimedQuestion(Generic[Found]):
    """Asks in a thread of its own, one question at a time. Used by one thread, but for `stop`."""

    def __init__(self, ask: Callable[[], Found], limit_s: float, remedy: str, name: str = "") -> None:
        """Prepare.

        Args:
            ask: it may raise what it likes; that is raised where it is waited for.
            limit_s: how long it may take.
            remedy: what to do where it takes longer, as `look what the query costs`.
            name: of what is asked, for messages; empty: whoever asks puts it before them.
        """
        self._ask, self._limit_s, self._remedy = ask, limit_s, remedy
        self._before = f"{name}: " if name else ""
        self._stopping = threading.Event()
        self._under_way: Future[Found] | None = None

    def answer(self, is_unwanted: Callable[[], bool] = lambda: False) -> Found:
        """What `ask` returns; `is_unwanted` is asked meanwhile.

        Raises:
            LateAnswerError: it isn't over in time, or the former one still isn't over.
            SourceError: it isn't wanted any more.
        """
        if self._under_way is not None and not self._under_way.done():
            self._wait(self._under_way, "the former question still isn't answered", is_unwanted)
        asked = self._under_way = begin_call(self._ask, "question")
        self._wait(asked, f"no answer within {self._limit_s:g} s", is_unwanted)
        return asked.result()

    def stop(self) -> None:
        """Wait no longer; from any thread."""
        self._stopping.set()

    def _wait(self, asked: "Future[Found]", late: str, is_unwanted: Callable[[], bool]) -> None:
        def is_given_up() -> bool:
            return self._stopping.is_set() or is_unwanted()

        if is_over(asked, time.monotonic() + self._limit_s, is_given_up):
            return
        if is_given_up():
            raise SourceError(f"{self._before}the question isn't wanted any more")
        raise LateAnswerError(f"{self._before}{late}: {self._remedy}")
