"""Nobody keeps others out: by connections that ask nothing, by requests that never end, by more streams than his."""

import asyncio
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tests.https_server import make_certificates
from tests.patience import PATIENCE_S, stretched
from tests.publishers import Publisher
from tests.warehouse.console.serving import Follower, console_over, listening
from tests.warehouse.receiving.making import write
from warehouse.console.connections import TimedConnection
from warehouse.console.context import Console
from warehouse.console.identity.people import add_person
from warehouse.console.identity.roles import Role
from warehouse.console.identity.sessions import begin_session
from warehouse.console.identity.tokens import make_token
from warehouse.store.database import Database

REQUEST_S = 0.6
WHOLE = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
LONG = b"a" * 4000
FORM = b"Content-Type: application/x-www-form-urlencoded"
HEAD = b"POST /signin HTTP/1.1\r\nHost: here\r\n" + FORM + b"\r\nContent-Length: 500\r\n"
SLOW = {
    "nothing": b"",
    "part of a head": b"GET / HTTP/1.1\r\nHos",
    "a head a byte at a time": b"GET / HTTP/1.1\r\nX-Long: " + LONG,
    "a body a byte at a time": HEAD + b"\r\n" + LONG[:499],
}


@pytest.fixture
def request_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """So long servers wait for a request: a moment, in which a busy machine can ask it all the same."""
    moment_s = stretched(REQUEST_S)
    monkeypatch.setattr("warehouse.console.connections.REQUEST_S", moment_s)
    return moment_s


@pytest.fixture
def port(file_database: Database, request_s: float) -> Iterator[int]:
    """A server that waits for a request no longer than a moment."""
    with listening(console_over(file_database)) as found:
        yield found


def is_ended(found: socket.socket, sent: bytes) -> bool:
    """Whether the server ends it, whatever is sent meanwhile."""
    found.settimeout(0.02)
    coming = iter(sent)
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        try:
            if (byte := next(coming, None)) is not None:
                found.send(bytes([byte]))
            if not found.recv(10_000):
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@pytest.mark.parametrize("name", SLOW)
def test_who_never_asks_a_whole_request_is_cut_off(
    port: int, name: str, request_s: float, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", port)) as found:
        began_s = time.monotonic()
        assert is_ended(found, SLOW[name])
        assert time.monotonic() - began_s >= request_s
    assert "a request failed" not in caplog.text


def test_a_second_request_has_to_come_as_a_whole_too(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as found:
        found.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n")
        assert found.recv(10_000).startswith(b"HTTP/1.1 200")
        assert is_ended(found, b"GET / HTTP/1.1\r\nX-Long: " + LONG)


@contextmanager
def answering(size: int, keep_alive_s: int, folder: Path | None = None) -> Iterator[socket.socket]:
    """A client, with small buffers on its way, of a server each answer of which has so many bytes; `folder`: by TLS."""
    authority, chain = make_certificates(folder, "127.0.0.1") if folder else (None, None)

    async def answer(_scope: Any, _receive: Any, send: Any) -> None:
        head = [(b"content-length", str(size).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"x" * size})

    with socket.socket() as bound, socket.socket() as client:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        config = uvicorn.Config(
            answer,
            http=TimedConnection,
            log_config=None,
            lifespan="off",
            timeout_keep_alive=keep_alive_s,
            ssl_certfile=chain,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([bound])), daemon=True)
        thread.start()
        client.settimeout(PATIENCE_S)
        client.connect(bound.getsockname())
        trust = ssl.create_default_context(cafile=authority) if authority else None
        asking = trust.wrap_socket(client, server_hostname="127.0.0.1") if trust else client
        asking.sendall(WHOLE)
        try:
            yield asking
        finally:
            asking.close()
            server.should_exit = True
            thread.join(PATIENCE_S)


@pytest.mark.parametrize("keep_alive_s", [1, 60], ids=["closed when it is answered", "kept"])
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
def test_who_reads_slowly_gets_the_whole_answer(
    tmp_path: Path, request_s: float, keep_alive_s: int, *, encrypted: bool
) -> None:
    size, found = 200_000, b""
    began_s = time.monotonic()
    with answering(size, keep_alive_s, tmp_path if encrypted else None) as client:
        while (body := found.partition(b"\r\n\r\n")[2]) != b"x" * size:
            time.sleep(request_s / 15)
            more = client.recv(2_000)
            assert more, f"{len(body)} of {size}"
            found += more
        assert time.monotonic() - began_s > 3 * request_s
        assert is_ended(client, b"")


def test_who_reads_nothing_of_his_answer_is_let_go_in_the_end(
    monkeypatch: pytest.MonkeyPatch, request_s: float
) -> None:
    monkeypatch.setattr("warehouse.console.connections.UNREAD_S", 3 * request_s)
    size, began_s, found = 500_000, time.monotonic(), 0
    with answering(size, 60) as client:
        time.sleep(6 * request_s)
        while time.monotonic() - began_s < PATIENCE_S:
            try:
                if not (more := client.recv(10_000)):
                    break
            except OSError:
                break
            found += len(more)
    assert found < size


def test_a_stream_stays_open_and_a_connection_serves_again_and_again(
    port: int, request_s: float, file_database: Database
) -> None:
    follower = Follower(port, make_token(file_database, "follower", ["read"], None))
    assert (ready := follower.next()) is not None
    assert ready.event == "ready"
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    for _ in range(8):
        time.sleep(request_s / 2)
        asking.request("GET", "/healthz")
        assert asking.getresponse().read() == b"ok\n"
    write(file_database, Publisher().event())
    assert (told := follower.next()) is not None
    assert told.event == "event"
    follower.close()
    asking.close()


def test_one_person_s_streams_and_one_token_s_leave_room_for_others(
    file_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.console.live.feed.MAX_OWN", 2)
    monkeypatch.setattr("warehouse.console.api.streaming.MAX_OWN", 2)
    console = console_over(file_database)
    with listening(console) as port:
        ours, theirs = (_cookies(console, name) for name in ("Wati", "Sri"))
        open_ = [_following(port, cookie) for cookie in (ours[0], ours[1], ours[0], theirs[0])]
        assert [answer.status for _, answer in open_] == [200, 200, 503, 200]
        assert b"Too many pages are open" in open_[2][1].read()
        token, other = (make_token(file_database, name, ["read"], None) for name in ("a", "b"))
        followers = [Follower(port, one) for one in (token, token, token, other)]
        assert [one.answer.status for one in followers] == [200, 200, 503, 200]
        for one in followers:
            one.close()
        for connection, answer in open_:
            answer.close()
            connection.close()


def _cookies(console: Console, name: str) -> list[str]:
    """Of two browsers of one person."""
    person = add_person(console.database, name, Role.VIEWER.word, "")
    return [begin_session(console.database, person) for _ in range(2)]


def _following(port: int, cookie: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", "/live?view=racks", headers={"Cookie": f"kardus_session={cookie}"})
    return connection, connection.getresponse()
