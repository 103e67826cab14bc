"""Threads that are started once, end when they are asked to, and are waited for."""

import threading

import pytest

from kardus.support.worker import Poller, Worker
from tests.patience import PATIENCE_S


class Counting(Poller):
    """Counts its polls."""

    def __init__(self) -> None:
        """Prepare."""
        super().__init__("counting", 0.001)
        self.polls = 0
        self.enough = threading.Event()

    def poll(self) -> None:
        """Count."""
        self.polls += 1
        if self.polls == 3:
            self.enough.set()


class Stubborn(Worker):
    """Goes on until it is let go, whoever asks."""

    def __init__(self) -> None:
        """Prepare."""
        super().__init__("stubborn")
        self.let_go = threading.Event()

    def _run(self) -> None:
        self.let_go.wait()


def test_a_poller_goes_on_until_it_is_stopped_and_stop_may_be_called_twice() -> None:
    poller = Counting()
    poller.start()
    assert poller.enough.wait(PATIENCE_S)
    assert poller.is_alive
    poller.stop()
    counted = poller.polls
    poller.stop()
    assert (poller.is_alive, poller.polls) == (False, counted)


def test_what_was_never_started_can_be_stopped() -> None:
    Counting().stop()


def test_a_worker_is_started_once() -> None:
    poller = Counting()
    poller.start()
    with pytest.raises(RuntimeError):
        poller.start()
    poller.stop()


def test_a_worker_that_does_not_end_is_waited_for_as_long_as_asked_for() -> None:
    worker = Stubborn()
    worker.start()
    worker.stop(0.01)
    assert worker.is_alive
    worker.let_go.set()
    worker.stop()
    assert not worker.is_alive
