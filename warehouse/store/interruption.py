"""Interrupts the statement that SQLite runs when the process is asked to end.

Signals wait for Python, and a statement of SQLite runs none: an index over millions of events takes minutes, in which
nobody heard of a SIGTERM until the service manager killed the process.
"""

import contextlib
import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from kardus.support.errors import KardusError
from warehouse.store.database import StoreError

VM_STEPS_PER_CHECK = 100_000
"""Of SQLite's virtual machine between two checks: some milliseconds."""
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class TransactionInterruptedError(KardusError):
    """The process was asked to end; nothing of the transaction stays."""


@contextlib.contextmanager
def interrupted_when(is_ending: Callable[[], bool], database: sqlite3.Connection) -> Iterator[None]:
    """Inside, a statement ends with sqlite3.OperationalError once `is_ending`, which is asked in its thread."""
    database.set_progress_handler(is_ending, VM_STEPS_PER_CHECK)
    try:
        yield
    finally:
        database.set_progress_handler(None, VM_STEPS_PER_CHECK)


@contextlib.contextmanager
def interrupted_by_signals(database: sqlite3.Connection, what: str) -> Iterator[None]:
    """Inside, a signal that asks the process to end is heeded at once, as its handler says.

    There is one transaction, which changes rows: a signal that comes when it is over interrupts nothing. Only the main
    thread hears of signals: in any other nothing is changed.

    Raises:
        TransactionInterruptedError: one has come whose handler only notes it; `what`, for people, was broken off.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    come: list[int] = []
    interrupted: list[int] = []
    before = database.total_changes

    def interrupt(number: int, _: FrameType | None) -> None:
        come.append(number)
        is_over = not database.in_transaction and database.total_changes != before
        if len(come) == 1 and not is_over:  # another one would interrupt what is tidied up
            interrupted.append(number)
            raise TransactionInterruptedError(what)

    former: dict[int, Any] = {number: signal.getsignal(number) for number in _ENDING}
    taken = {number: handler for number, handler in former.items() if handler not in (None, signal.SIG_IGN)}
    try:
        for number in taken:
            signal.signal(number, interrupt)
        with interrupted_when(lambda: bool(interrupted), database):
            yield
    except (StoreError, sqlite3.Error, TransactionInterruptedError) as error:
        if not interrupted:
            raise
        raise TransactionInterruptedError(
            f"{what} was broken off: nothing is changed, and the next start begins anew"
        ) from error
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)
        for number in come[:1]:
            signal.raise_signal(number)
