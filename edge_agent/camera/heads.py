"""The heads of cameras' answers, put right before the HTTP library sees them: it refuses what browsers pass over.

An answer's head begins after each request. Its lines are taken as far as they can mean anything: one that is no header
is left out, spaces before a colon are none of the name, what no coding is called is none, and a length that is no
number is none: the answer then goes on until the camera hangs up.
"""

import re
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore2
import httpx2

_MOST = 65_536
"""Bytes of a head; a longer one is left to the library to refuse."""
_END = re.compile(rb"\n\r?\n")
_STATUS = b"HTTP/"
_INTERIM = re.compile(rb"HTTP/\d\.\d +1\d\d", re.IGNORECASE)
"""Another head follows."""
_STATUS_LINE = re.compile(rb"(HTTP/\d\.\d)\s+(\d{3})(?:\s(.*))?", re.IGNORECASE)
_LENGTH = re.compile(rb"""["']?\+?(\d+)["']?(?:\s*bytes)?""", re.IGNORECASE)
_CODINGS = {b"chunked", b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"}
"""Of a transfer (RFC 9112, 7): others (`identity`, `none`, `binary`) are none."""
_TRANSFER = b"transfer-encoding"
_NAME = re.compile(rb"[\w!#$%&'*+.^`|~-]+")
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class CameraTransport(httpx2.HTTPTransport):
    """The library's own, but for the answers' heads."""

    def __init__(self, context: ssl.SSLContext) -> None:
        """`context` is what secure connections are made with; nothing of the machine's proxies is used."""
        super().__init__(verify=context, trust_env=False)
        self._network = _Network()
        self._pool = httpcore2.ConnectionPool(ssl_context=context, network_backend=self._network)
        self._keeps_open = True

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, which a connection that was used before may fail to give: then that of a new one.

        It was hung up, or something had come behind the last answer. This camera is then asked to hang up each time.
        """
        if not self._keeps_open:
            request.headers["Connection"] = "close"
        connected = self._network.connected
        try:
            answer = super().handle_request(request)
        except httpx2.RemoteProtocolError:
            if self._network.connected != connected:
                raise
        else:
            if self._network.connected != connected or not _came_before(answer):
                return answer
            answer.close()
        self._keeps_open = False
        return self.handle_request(request)


def _came_before(answer: httpx2.Response) -> bool:
    """Whether it had come behind the answer before, and is none to this request."""
    connection = answer.extensions.get("network_stream")
    return isinstance(connection, _Connection) and connection.is_head


class _Network(httpcore2.SyncBackend):
    connected = 0
    """How many connections were made, or tried."""

    def connect_tcp(self, *arguments: Any, **options: Any) -> httpcore2.NetworkStream:
        self.connected += 1
        return _Connection(super().connect_tcp(*arguments, **options))


class _Connection(httpcore2.NetworkStream):
    """A connection to a camera; what it reads after each request begins with a head."""

    def __init__(self, below: httpcore2.NetworkStream) -> None:
        self._below = below
        self._head = b""
        self.is_head = True
        """Whether nothing has been read since the last request, or not all of a head."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while self.is_head:
            data = self._below.read(max_bytes, timeout)
            self._head += data
            if not data or len(self._head) > _MOST or not _may_be_head(self._head):
                return self._given_up()
            if put_right := self._put_right():
                return put_right
        return self._below.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            self._head, self.is_head = b"", True
        self._below.write(buffer, timeout)

    def close(self) -> None:
        self._below.close()

    def start_tls(self, *arguments: Any, **options: Any) -> httpcore2.NetworkStream:
        return _Connection(self._below.start_tls(*arguments, **options))

    def get_extra_info(self, info: str) -> Any:
        return self._below.get_extra_info(info)

    def _given_up(self) -> bytes:
        """All as it came."""
        given, self._head, self.is_head = self._head, b"", False
        return given

    def _put_right(self) -> bytes:
        """The heads that are whole now, and behind the last one what has come of the body."""
        given = b""
        while (end := _END.search(self._head.lstrip(b"\r\n"))) is not None:
            whole = self._head.lstrip(b"\r\n")
            given += put_right(whole[: end.start()])
            self._head = whole[end.end() :]
            if not _INTERIM.match(whole):
                return given + self._given_up()
        return given


def put_right(head: bytes) -> bytes:
    """A head that the library takes, with the empty line that ends it."""
    status, *lines = (line.removesuffix(b"\r") for line in head.split(b"\n"))
    fields = [field for line in _unfolded(lines) if (field := _field(line)) is not None]
    kept = [b"%s: %s" % field for field in fields if field[0].lower() != _TRANSFER]
    # in several headers, or twice in one, it is still the same
    codings = dict.fromkeys(c for name, value in fields if name.lower() == _TRANSFER for c in value.split(b", "))
    kept += [b"%s: %s" % (_TRANSFER, b", ".join(codings))] if codings else []
    return b"\r\n".join([_status(status), *kept, b"", b""])


def _status(line: bytes) -> bytes:
    """A status line, with a single blank between its parts; one that is none, as it is."""
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        return line
    return b" ".join([found[1].upper(), found[2], _CONTROLS.sub(b" ", found[3] or b"").strip()])


def _unfolded(lines: Iterable[bytes]) -> list[bytes]:
    """A line that begins with a blank goes on with the one before."""
    found = list[bytes]()
    for line in lines:
        if found and line[:1] in {b" ", b"\t"}:
            found[-1] += b" " + line.strip()
        else:
            found.append(line)
    return found


def _field(line: bytes) -> tuple[bytes, bytes] | None:
    """A header's name and value; None: it means nothing."""
    name, colon, value = line.partition(b":")
    name, value = name.strip(), _CONTROLS.sub(b" ", value).strip()
    if not colon or not _NAME.fullmatch(name):
        return None
    if name.lower() == b"content-length":
        lengths = [found[1] for part in value.split(b",") if (found := _LENGTH.fullmatch(part.strip()))]
        return (name, b", ".join(lengths)) if lengths else None
    if name.lower() == _TRANSFER:
        words = (word.partition(b";")[0].strip(b" \t\"'").lower() for word in value.split(b","))
        value = b", ".join(word for word in words if word in _CODINGS)
        return (name, value) if value else None
    return name, value


def _may_be_head(data: bytes) -> bool:
    begun = data.lstrip(b"\r\n")[: len(_STATUS)].upper()
    return _STATUS.startswith(begun)
