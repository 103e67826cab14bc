"""A server in the tests' process, over a real socket, and clients of it."""

import asyncio
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import uvicorn
from starlette.testclient import TestClient

from tests.patience import PATIENCE_S
from warehouse.console.agents.asking import AgentQuestions
from warehouse.console.app import make_app
from warehouse.console.connections import TimedConnection
from warehouse.console.context import Console, KnownTokens
from warehouse.console.identity.auditing import AuditLog
from warehouse.console.identity.scopes import SCOPES
from warehouse.console.identity.tokens import make_token
from warehouse.console.limits import RateLimit
from warehouse.console.live.feed import Feed
from warehouse.console.pages.settings import PageSettings
from warehouse.store.database import Database

BASE = "/api/v1"


def console_over(database: Database, asking: AgentQuestions | None = None, **more: Any) -> Console:
    """What a server has, with limits that no test meets by chance."""
    pictures = "" if database.address.path else f"{database.address.url.query['host']}/{database.address.url.database}"
    made = Console(
        database=database,
        pictures=pictures,
        feed=Feed(database),
        audit=AuditLog(database),
        rate=RateLimit(1e6, 1e6),
        wrong=RateLimit(1e6, 1e6),
        known=KnownTokens(database),
        asking=asking,
    )
    return replace(made, **more)


def client_of(console: Console, *scopes: str, name: str = "tests") -> TestClient:
    """A client with a token of these scopes; without any, of all."""
    token = make_token(console.database, name, scopes or SCOPES, None)
    headers = {"Authorization": f"Bearer {token}"}
    return TestClient(make_app(console), f"http://testserver{BASE}", headers=headers, raise_server_exceptions=False)


@contextmanager
def listening(console: Console, page: PageSettings | None = None, port: int = 0) -> Iterator[int]:
    """The same server on a real socket; its port, where none is given."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # a client that doesn't read is noticed soon
        bound.bind(("127.0.0.1", port))
        bound.listen()
        config = uvicorn.Config(
            make_app(console, page),
            http=TimedConnection,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=round(PATIENCE_S),
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([bound])), daemon=True)
        console.feed.start()
        thread.start()
        try:
            yield bound.getsockname()[1]
        finally:
            console.feed.stop()
            server.should_exit = True
            thread.join(PATIENCE_S)


@dataclass(frozen=True)
class Sent:
    """A server-sent event."""

    id: str
    event: str
    data: str


class Follower:
    """Reads `/changes` as a browser does."""

    def __init__(self, port: int, token: str, last: str = "") -> None:
        """Connect."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": last} if last else {})
        self._connection.request("GET", f"{BASE}/changes", headers=headers)
        self.answer = self._connection.getresponse()

    def next(self) -> Sent | None:
        """The next event; None: the server has ended the stream."""
        fields: dict[str, str] = {}
        with suppress(http.client.IncompleteRead, ConnectionResetError):
            while line := self.answer.readline().decode().rstrip("\n"):
                name, _, value = line.partition(": ")
                fields[name] = value
        if "event" not in fields:
            return self.next() if fields else None
        return Sent(fields["id"], fields["event"], fields["data"])

    def close(self) -> None:
        """Go away."""
        self.answer.close()
        self._connection.close()
