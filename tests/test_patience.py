"""Waiting leaves the processor to what is waited for."""

import time

import pytest

from tests.patience import wait_until


def test_what_is_costly_to_ask_is_asked_again_after_a_pause_of_three_times_its_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paused: list[float] = []
    monkeypatch.setattr("tests.patience.time.sleep", paused.append)
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
