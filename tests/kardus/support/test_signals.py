"""A signal never stops a program that waits for what the signal sets."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from kardus.support.signals import deferred_signals
from tests.patience import PATIENCE_S

WAITS = """
import os, signal, threading, time
from kardus.support.signals import call_on_signals
stopping = threading.Event()
call_on_signals([signal.SIGTERM, signal.SIGINT], stopping.set)
sending = threading.Thread(target=lambda: [os.kill(os.getpid(), signal.SIGTERM) or time.sleep(0) for _ in range(300)])
sending.start()
while sending.is_alive():
    stopping.wait(0)
    stopping.clear()
os.kill(os.getpid(), signal.SIGINT)
print(stopping.wait(60))
"""


def test_a_signal_that_comes_while_its_event_is_waited_for_is_heard() -> None:
    """An event that the handler itself sets stands still after some tens of signals: the lock is held already."""
    said = subprocess.run([sys.executable, "-c", WAITS], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert said.stdout.strip() == "True"


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Ctrl-C as in a program: one of the processes in which tests run ignores it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("_interruptible")
def test_a_signal_in_the_midst_of_a_library_is_handled_behind_it() -> None:
    done: list[str] = []

    def interrupted() -> None:
        with deferred_signals():
            signal.raise_signal(signal.SIGINT)
            done.append("the library's work")
        done.append("never")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == ["the library's work"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_in_another_thread_signals_stay_as_they_are() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def work() -> None:
        with deferred_signals():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
