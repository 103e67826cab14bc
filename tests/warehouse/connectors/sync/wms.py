"""WMSs for the tests: a database file, and an HTTP server whose answers can be changed while it runs."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Stock = Mapping[str, tuple[str, int] | None]
"""By location: SKU and quantity, or nothing."""


def write_database(path: Path, stock: Stock) -> None:
    """Make, or change, a WMS's database: as an ERP does, a location that holds nothing has no row of stock."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS places (code TEXT PRIMARY KEY)")
        database.execute("CREATE TABLE IF NOT EXISTS quants (place TEXT, sku TEXT, amount NUMERIC)")
        database.execute("DELETE FROM places")
        database.execute("DELETE FROM quants")
        database.executemany("INSERT INTO places VALUES (?)", [(code,) for code in stock])
        rows = [(code, *held) for code, held in stock.items() if held is not None]
        database.executemany("INSERT INTO quants VALUES (?, ?, ?)", rows)


SQL = """
managed = "SELECT code AS location FROM places"
stock = "SELECT place AS location, sku, amount AS quantity FROM quants"
"""


@dataclass
class Web:
    """What an HTTP server answers, by path; what it was asked."""

    pages: dict[str, Any] = field(default_factory=dict)
    """JSON by path; a text or bytes is answered as it is."""
    status: int = 200
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    """More headers of an answer, by path."""
    needs: dict[str, str] = field(default_factory=dict)
    """Headers without which the answer is 401, but for `/token`."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path and headers of each request."""
    url: str = ""
    spoil: Callable[[Any], Any] = lambda said: said
    """What becomes of an answer that is JSON."""


@contextmanager
def web() -> Iterator[Web]:
    """A server on a port of its own."""
    state = Web()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            state.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            lacking = any(self.headers.get(name) != value for name, value in state.needs.items())
            if lacking and self.path != "/token":
                return self._answer(401, b"{}", {})
            page = state.pages.get(self.path)
            more = state.headers.get(self.path, {})
            if page is None:
                return self._answer(404, b"{}", {})
            if more.get("ETag") and self.headers.get("If-None-Match") == more["ETag"]:
                return self._answer(304, b"", more)
            return self._answer(
                state.status, page if isinstance(page, bytes) else json.dumps(state.spoil(page)).encode(), more
            )

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        def _answer(self, status: int, body: bytes, more: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def pages_of(stock: Stock) -> dict[str, Any]:
    """Its answers."""
    rows = [{"at": code, "item": held[0], "n": held[1]} for code, held in stock.items() if held is not None]
    return {"/places": {"items": [{"code": code} for code in stock]}, "/quants": {"items": rows}}


HTTP = """
managed_url = "{url}/places"
managed = "items[].{{location: code}}"
stock_url = "{url}/quants"
stock = "items[].{{location: at, sku: item, quantity: n}}"
"""


def write_list(folder: Path, stock: Stock, name: str = "stock.csv") -> Path:
    """A list in a folder, put there as a whole."""
    folder.mkdir(exist_ok=True)
    lines = [f"{code},{held[0]},{held[1]}" if held else f"{code},EMPTY," for code, held in stock.items()]
    path = folder / name
    (folder / ".new").write_text("\n".join(["location,sku,quantity", *lines]) + "\n", encoding="utf-8")
    (folder / ".new").replace(path)
    return path
