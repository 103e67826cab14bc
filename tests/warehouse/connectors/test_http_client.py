"""What counts of an answer: whoever only sends needs its status, and no body may undo that."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from warehouse.connectors.errors import ConnectorError
from warehouse.connectors.http_client import HttpClient


@contextmanager
def _answering(*parts: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers so, and goes on sending nothing; the requests that it has got."""
    asked: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            asked.append(connection.recv(65_536))
            for part in parts:
                connection.sendall(part)

    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/", asked
    for connection in held:
        connection.close()


BROKEN = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok"
ENDLESS = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n.\r\n"


@pytest.mark.parametrize(("answer", "status"), [(BROKEN, 200), (ENDLESS, 202)])
def test_what_was_sent_is_taken_once_its_status_says_so(answer: bytes, status: int) -> None:
    with _answering(answer) as (url, asked):
        client = HttpClient(httpx2.Client(), ConnectorError)
        assert client.post(url, limit_s=1.0).status_code == status
        with pytest.raises(ConnectorError):
            client.request("GET", url, limit_s=1.0)
        client.close()
    assert len(asked) == 2


def test_a_refusal_stays_one_whatever_its_body_is() -> None:
    with _answering(ENDLESS.replace(b"202 Accepted", b"500 Oh")) as (url, _):
        client = HttpClient(httpx2.Client(), ConnectorError)
        with pytest.raises(ConnectorError):
            client.post(url, limit_s=1.0)
        client.close()
