"""A call in a thread of its own, which is waited for as long as it is wanted, and no longer."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

POLL_S = 0.05
Result = TypeVar("Result")


def begin_call(work: Callable[[], Result], name: str) -> "Future[Result]":
    """Call `work` in a thread of this name, which ends with the process; what it returns or raises is the result."""
    result: Future[Result] = Future()
    threading.Thread(target=_settle, args=(result, work), name=name, daemon=True).start()
    return result


def is_over(call: "Future[Result]", deadline_s: float, is_unwanted: Callable[[], bool]) -> bool:
    """Wait until a call is over, is unwanted, or a moment of the monotonic clock has come; whether it is over."""
    while not wait([call], POLL_S).done:
        if is_unwanted() or time.monotonic() >= deadline_s:
            return call.done()
    return True


def _settle(result: "Future[Result]", work: Callable[[], Result]) -> None:
    try:
        result.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised where it is waited for
        result.set_exception(error)
