"""Waiting leaves the processor to what is waited for."""

import threading
import time
from collections.abc import Iterator

import pytest

from tests.patience import wait_until


@pytest.fixture
def paused(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The pauses of the test's own thread, which take no time; another one sleeps meanwhile, as those before may."""
    found: list[float] = []
    really, own, ended = time.sleep, threading.get_ident(), threading.Event()

    def pause(pause_s: float) -> None:
        if threading.get_ident() == own:
            found.append(pause_s)
        else:
            really(pause_s)

    def sleep_on() -> None:
        while not ended.is_set():
            time.sleep(0.001)

    monkeypatch.setattr(time, "sleep", pause)
    other = threading.Thread(target=sleep_on)
    other.start()
    yield found
    ended.set()
    other.join()


def test_what_is_costly_to_ask_is_asked_again_after_a_pause_of_three_times_its_cost(paused: list[float]) -> None:
    spent: list[float] = []

    def asks(cost_s: float) -> bool:
        begun = time.thread_time()
        while time.thread_time() - begun < cost_s:
            pass
        spent.append(time.thread_time() - begun)
        return len(spent) == 3

    wait_until(lambda: asks(0.03))
    assert len(paused) == 2, "what holds is not waited for"
    assert all(pause >= 3 * cost for pause, cost in zip(paused, spent, strict=False))
    spent.clear()
    paused.clear()
    wait_until(lambda: asks(0.0))
    assert paused == [0.05, 0.05]
