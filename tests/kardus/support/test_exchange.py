"""An exchange is over in time: against real servers that do everything but finish."""

import socket
import threading
from collections.abc import Callable

import httpx2
import pytest

from kardus.support.exchange import Exchanges, Trace
from tests.dripping import NEVER_DONE, DrippingServer, drips_headers, says_nothing
from tests.patience import wait_until

SHORT_S = 0.3
SILENCE_S = 3.0
"""The client's own time-out, for one read: longer than any test's limit."""


def _asking(client: httpx2.Client, url: str) -> Callable[[Trace], bytes]:
    def ask(trace: Trace) -> bytes:
        with client.stream("GET", url, extensions={"trace": trace}) as answer:
            return answer.read()

    return ask


def _threads() -> int:
    return sum(thread.name == "exchange" for thread in threading.enumerate())


@pytest.mark.parametrize("case", NEVER_DONE)
def test_it_ends_whatever_the_other_side_does_and_leaves_no_thread(case: str) -> None:
    scheme, behaviour = NEVER_DONE[case]
    with DrippingServer(behaviour) as server, httpx2.Client(timeout=SILENCE_S) as client:
        with pytest.raises(TimeoutError, match=r"isn't over within 0\.3 s"):
            Exchanges(threading.Event()).run(_asking(client, server.url(scheme)), SHORT_S)
        wait_until(lambda: _threads() == 0, "the thread ends while the server goes on")


@pytest.mark.parametrize("case", NEVER_DONE)
def test_it_ends_when_it_is_not_wanted_any_more(case: str) -> None:
    scheme, behaviour = NEVER_DONE[case]
    stopping = threading.Event()
    with DrippingServer(behaviour) as server, httpx2.Client(timeout=SILENCE_S) as client:
        server.once_asked(stopping.set)
        with pytest.raises(TimeoutError, match="isn't wanted any more"):
            Exchanges(stopping).run(_asking(client, server.url(scheme)), 600)


def test_a_connection_that_was_kept_open_is_shut_down_too() -> None:
    turns = threading.Semaphore(0)

    def good_then_dripping(taken: socket.socket, stopping: threading.Event) -> None:
        taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        taken.recv(65536)
        turns.release()
        drips_headers(taken, stopping)

    with DrippingServer(good_then_dripping) as server, httpx2.Client(timeout=SILENCE_S) as client:
        exchanges = Exchanges(threading.Event())
        assert exchanges.run(_asking(client, server.url()), 600) == b"ok"
        with pytest.raises(TimeoutError):
            exchanges.run(_asking(client, server.url()), SHORT_S)
        assert turns.acquire(blocking=False)  # over the same connection
        wait_until(lambda: _threads() == 0, "the thread ends while the server goes on")


def test_an_answer_that_comes_within_the_grace_is_taken() -> None:
    stopping = threading.Event()

    def answers_once_stopped(taken: socket.socket, _: threading.Event) -> None:
        stopping.wait()
        taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    with DrippingServer(answers_once_stopped) as server, httpx2.Client(timeout=SILENCE_S) as client:
        server.once_asked(stopping.set)
        assert Exchanges(stopping, grace_s=600).run(_asking(client, server.url()), 600) == b"ok"


def test_a_name_that_nobody_resolves_is_given_up_and_its_late_connection_shut_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolved, resolve = threading.Event(), socket.getaddrinfo

    def slow(*asked: object, **more: object) -> object:
        resolved.wait()
        return resolve(*asked, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with DrippingServer(says_nothing) as server, httpx2.Client(timeout=600) as client:
        with pytest.raises(TimeoutError):
            Exchanges(threading.Event()).run(_asking(client, server.url()), SHORT_S)
        resolved.set()
        wait_until(lambda: _threads() == 0, "what was resolved too late is not waited for")


def test_what_goes_wrong_in_time_is_said_as_it_is() -> None:
    with httpx2.Client(timeout=SILENCE_S) as client, pytest.raises(httpx2.ConnectError):
        Exchanges(threading.Event()).run(_asking(client, "http://127.0.0.1:9/"), 600)
