"""A question to a database or a folder that ends in time, whatever the other side does.

Most databases' drivers have no limit of their own, and a folder on a server that is away answers when that is back.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from warehouse.connectors.sync.source import SourceError

POLL_S = 0.05
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
        asked: Future[Found] = Future()
        self._under_way = asked
        threading.Thread(target=self._settle, args=(asked,), name="question", daemon=True).start()
        self._wait(asked, f"no answer within {self._limit_s:g} s", is_unwanted)
        return asked.result()

    def stop(self) -> None:
        """Wait no longer; from any thread."""
        self._stopping.set()

    def _wait(self, asked: "Future[Found]", late: str, is_unwanted: Callable[[], bool]) -> None:
        deadline_s = time.monotonic() + self._limit_s
        while not wait([asked], POLL_S).done:
            if self._stopping.is_set() or is_unwanted():
                raise SourceError(f"{self._before}the question isn't wanted any more")
            if time.monotonic() >= deadline_s:
                raise LateAnswerError(f"{self._before}{late}: {self._remedy}")

    def _settle(self, asked: "Future[Found]") -> None:
        try:
            asked.set_result(self._ask())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            asked.set_exception(error)
