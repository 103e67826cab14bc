"""Codes are read in a thread of their own, which goes on whatever happens."""

import queue
import threading

import pytest

from edge_agent.codes.reader import MAX_JOBS, CodeReader
from tests.patience import PATIENCE_S


def test_jobs_are_done_in_order_and_one_that_fails_keeps_no_other(caplog: pytest.LogCaptureFixture) -> None:
    done: queue.Queue[object] = queue.Queue()
    reader = CodeReader(done.put)
    reader.start()

    def fail() -> object:
        raise OSError("no picture")

    for job in (lambda: 1, fail, lambda: 2):
        assert reader.do(job)
    assert [done.get(timeout=PATIENCE_S), done.get(timeout=PATIENCE_S)] == [1, 2]
    reader.stop(PATIENCE_S)
    assert not reader.is_alive
    assert "codes couldn't be read" in caplog.text


def test_a_full_reader_takes_no_more_and_still_ends() -> None:
    begun, go_on = threading.Event(), threading.Event()
    reader = CodeReader(lambda _: None)
    reader.start()

    def wait() -> object:
        begun.set()
        return go_on.wait(PATIENCE_S)

    reader.do(wait)
    assert begun.wait(PATIENCE_S)
    assert all(reader.do(lambda: None) for _ in range(MAX_JOBS))
    assert not reader.do(lambda: None)
    go_on.set()
    reader.stop(PATIENCE_S)
    assert not reader.is_alive
