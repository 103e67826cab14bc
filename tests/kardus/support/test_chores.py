"""What takes its time is done in order, in a thread of its own, whatever becomes of one of them."""

import threading

import pytest

from kardus.support.chores import MAX_WAITING, Chores
from tests.patience import PATIENCE_S

WAIT_S = PATIENCE_S


def test_they_are_done_in_order_while_others_go_on(chores: Chores) -> None:
    go, done = threading.Event(), []
    chores.do(lambda: go.wait(WAIT_S))
    for number in range(MAX_WAITING):
        chores.do(lambda number=number: done.append(number))  # type: ignore[misc]
    assert done == [], "whoever brought them didn't wait"
    go.set()
    chores.settle()
    assert done == list(range(MAX_WAITING))


def test_one_more_than_may_wait_waits(chores: Chores) -> None:
    go, brought = threading.Event(), threading.Event()
    for _ in range(MAX_WAITING + 1):
        chores.do(lambda: go.wait(WAIT_S))

    def bring() -> None:
        chores.do(lambda: None)
        brought.set()

    threading.Thread(target=bring, daemon=True).start()
    assert not brought.wait(0.2)
    go.set()
    assert brought.wait(WAIT_S)


def test_one_that_fails_costs_the_others_nothing(chores: Chores, caplog: pytest.LogCaptureFixture) -> None:
    done = []
    chores.do(lambda: 1 / 0)
    chores.do(lambda: done.append(1))
    chores.settle()
    assert done == [1]
    assert "a chore failed" in caplog.text


def test_what_is_left_is_done_at_the_end() -> None:
    chores, done = Chores(), []
    for number in range(5):
        chores.do(lambda number=number: done.append(number))  # type: ignore[misc]
    chores.stop()
    chores.stop()
    assert done == list(range(5))
    assert not chores.is_alive


def test_after_the_end_none_is_taken() -> None:
    chores = Chores()
    chores.stop()
    with pytest.raises(RuntimeError, match="shutdown"):
        chores.do(lambda: None)
