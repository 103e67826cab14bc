"""The browsers of tests/benchmarks/live.py: each has a page's stream open, and reads a list again where it is told to.

    python -m tests.benchmarks.live_clients ASKED PORT

A process of its own. Says `ready` once every stream is open; counts from the line `begin` on; at the line `end` it
tells what came as JSON.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

_CONNECT = re.compile(rb'sse-connect="([^"]*)"')
_REFRESH = re.compile(rb'data-refresh="(\d+)"')
_CROP = re.compile(rb"/crops/([0-9a-f-]{36})")
LINE = 4_000_000
"""A list in one event may have so many bytes."""


@dataclass(frozen=True)
class Asked:
    """What one browser looks at."""

    path: str
    cookie: str
    language: str

    def request(self, path: str, **more: str) -> bytes:
        """A GET as a browser sends it."""
        headers = {"Host": "x", "Cookie": f"kardus_session={self.cookie}", "Accept-Language": self.language, **more}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


@dataclass
class Told:
    """What all of them have got in the window."""

    tiles: list[tuple[str, float]] = field(default_factory=list)
    received: int = 0
    read: int = 0
    ended: int = 0


class Browser:
    """One of them."""

    def __init__(self, asked: Asked, port: int, told: Told) -> None:
        """Look at a page."""
        self._asked, self._port, self._told = asked, port, told
        self._due: asyncio.Task[None] | None = None
        self._refresh_s, self._read_s = 0.0, 0.0

    async def open(self) -> asyncio.StreamReader:
        """Read the page, and open its stream."""
        body = await self._get(self._asked.path)
        connect = _CONNECT.search(body)
        assert connect is not None, (self._asked.path, body[:300])
        refresh = _REFRESH.search(body)
        self._refresh_s = int(refresh.group(1)) / 1000 if refresh else 0.0
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=LINE)
        self._writer = writer  # kept: the connection ends with it
        writer.write(self._asked.request(connect.group(1).decode().replace("&amp;", "&"), Accept="text/event-stream"))
        while await reader.readline() != b"event: ready\n":
            assert not reader.at_eof()
        return reader

    async def follow(self, reader: asyncio.StreamReader) -> None:
        """Take what comes."""
        while line := await reader.readline():
            self._told.received += len(line)
            if line.startswith(b"data: <article"):
                now_s = time.time()
                self._told.tiles += [(id_.decode(), now_s) for id_ in _CROP.findall(line)]
            elif line == b"event: changed\n" and self._refresh_s and self._due is None:
                self._due = asyncio.ensure_future(self._read_anew())
        self._told.ended += 1

    async def _read_anew(self) -> None:
        """As kardus.js: soon, but not more often than the list says."""
        await asyncio.sleep(max(0.05, self._read_s + self._refresh_s - time.monotonic()))
        self._read_s, self._due = time.monotonic(), None
        body = await self._get(self._asked.path, **{"HX-Request": "true"})
        self._told.received += len(body)
        self._told.read += 1

    async def _get(self, path: str, **more: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(self._asked.request(path, Connection="close", **more))
        body = await reader.read()
        writer.close()
        assert body.startswith(b"HTTP/1.1 200"), body[:300]
        return body


async def main(asked: list[Asked], port: int) -> None:
    """Open all streams, follow them until told to end."""
    told = Told()
    browsers = [Browser(one, port, told) for one in asked]
    readers = [await browser.open() for browser in browsers]
    following = [asyncio.ensure_future(one.follow(reader)) for one, reader in zip(browsers, readers, strict=True)]
    _say("ready")
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.readline)
    told.__init__()  # type: ignore[misc]  # what came before doesn't count
    await loop.run_in_executor(None, sys.stdin.readline)
    _say(json.dumps(vars(told)))
    for one in following:
        one.cancel()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main([Asked(**one) for one in json.loads(Path(sys.argv[1]).read_text())], int(sys.argv[2])))
