"""Cameras' answers, put right before the HTTP library sees them: it refuses what browsers pass over.

An answer's head begins after each request. Its lines are taken as far as they can mean anything: one that is no header
is left out, spaces before a colon are none of the name, what no coding is called is none, and a length that is no
number, or says otherwise than another, is none: the answer then goes on until the camera hangs up. Of a body that comes
in chunks, the lines between them are put right too; one that is only said to do so is put into chunks.
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
_BEGINNINGS = (b"HTTP", b"ICY ")
"""Of a status line, in capitals; SHOUTcast's `ICY` is a head as HTTP's is."""
_INTERIM = re.compile(rb"HTTP/1\.\d 1")
"""Of a head that is put right: another one follows."""
_STATUS_LINE = re.compile(rb"(?:HTTP(?:/(\d{1,3})(?:\.(\d{1,3}))?)?|ICY)\s+(\d{3})(?!\d)(.*)", re.IGNORECASE)
_LENGTH = re.compile(rb"""["']?\+?(\d+)["']?(?:\s*bytes)?""", re.IGNORECASE)
_TRANSFER, _SIZE = b"transfer-encoding", b"content-length"
_CHUNKED = b"chunked"
"""Of a transfer's codings (RFC 9112, 7) the one that counts: how its content is packed is told by what it holds."""
_CHUNK = re.compile(rb"(?:0x)?([0-9a-f]{1,20})(?:[\s;].*)?", re.IGNORECASE)
"""A chunk's first line."""
_CHUNK_BEGUN = re.compile(rb"\s*(?:0x?)?[0-9a-f]{0,20}(?:[\s;].*)?", re.IGNORECASE | re.DOTALL)
"""As much of it as has come."""
_MAX_BYTES_BEGUN = 100
"""Bytes that tell whether it is such a line."""
_NAME = re.compile(rb"[\w!#$%&'*+.^`|~-]+")
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class CameraTransport(httpx2.HTTPTransport):
    """The library's own, but for the answers' heads."""

    def __init__(self, context: ssl.SSLContext) -> None:
        """`context` is what secure connections are made with; nothing of the machine's proxies is used."""
        super().__init__(verify=context, trust_env=False)
        self._network = _Network()
        self._pool = httpcore2.ConnectionPool(ssl_context=context, network_backend=self._network)
        self.keeps_open = True
        """Whether the camera may keep its connection open for the next request."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, which a connection that was used before may fail to give: then that of a new one.

        It was hung up, or something had come behind the last answer. This camera is then asked to hang up each time.
        """
        if not self.keeps_open:
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
        self.keeps_open = False
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
        self._chunks: _Chunks | None = None
        """What of the body comes in chunks."""
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
        chunks = self._chunks
        while True:
            data = self._below.read(max_bytes, timeout)
            if chunks is None:
                return data
            if (given := chunks.feed(data) if data else chunks.end()) or not data:
                return given

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer:
            self._head, self._chunks, self.is_head = b"", None, True
        self._below.write(buffer, timeout)

    def close(self) -> None:
        self._below.close()

    def start_tls(self, *arguments: Any, **options: Any) -> httpcore2.NetworkStream:
        return _Connection(self._below.start_tls(*arguments, **options))

    def get_extra_info(self, info: str) -> Any:
        return self._below.get_extra_info(info)

    def _given_up(self) -> bytes:
        """All as it came, but for the lines between chunks."""
        given, self._head, self.is_head = self._head, b"", False
        return self._chunks.feed(given) if self._chunks is not None else given

    def _put_right(self) -> bytes:
        """The heads that are whole now, and behind the last one what has come of the body."""
        given = b""
        while (end := _END.search(self._head.lstrip(b"\r\n"))) is not None:
            whole = self._head.lstrip(b"\r\n")
            head = put_right(whole[: end.start()])
            given += head
            self._head = whole[end.end() :]
            if not _INTERIM.match(head):
                self._chunks = _Chunks() if b"\r\n%s: " % _TRANSFER in head else None
                return given + self._given_up()
        return given


class _Chunks:
    """A body in chunks (RFC 9112, 7.1), with the lines between them as the library takes them.

    A camera may end them without a return, or not at all behind a chunk's data.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._left = 0
        """Bytes of the chunk that are still to come."""
        self._is_last = False
        """Whether the chunk of no bytes was there: what follows are lines that mean nothing, and an empty one."""
        self._passes = False
        """Whether the rest is given as it comes: the body has ended, or makes no sense."""
        self._is_whole: bool | None = None
        """Whether the body comes in one, whatever its head says; None: nothing has been seen of it."""

    def feed(self, data: bytes) -> bytes:
        """What can be given on now."""
        self._buffer += data
        given = b"".join(iter(self._part, None))
        return _in_a_chunk(given) if self._is_whole else given

    def end(self) -> bytes:
        """The camera has hung up: what may be lacking then is the empty line."""
        if self._is_whole or (self._is_whole is None and self._buffer):
            given, self._buffer, self._is_whole = bytes(self._buffer), bytearray(), False
            return _in_a_chunk(given) + b"0\r\n\r\n"
        is_lacking, self._is_last = self._is_last and not self._passes, False
        return b"\r\n" if is_lacking else b""

    def _part(self) -> bytes | None:
        """What is given on of the buffer's beginning, which goes; None: more must come first."""
        if self._passes or self._left:
            return self._taken() if self._buffer else None
        end = self._buffer.find(b"\n")
        if end < 0 and self._may_be_line():
            return None
        given = self._line(bytes(self._buffer[:end]).strip()) if end >= 0 else None
        if given is None:
            self._passes, self._is_whole = True, self._is_whole is None
            return b""
        if given:
            self._is_whole = False
        del self._buffer[: end + 1]
        return given

    def _may_be_line(self) -> bool:
        """Whether what has come may be the beginning of a line; of a whole body it is soon told that it is none."""
        is_begun = self._is_whole is not None or _CHUNK_BEGUN.fullmatch(self._buffer[:_MAX_BYTES_BEGUN])
        return bool(is_begun) and len(self._buffer) <= _MOST

    def _taken(self) -> bytes:
        taken = bytes(self._buffer if self._passes else self._buffer[: self._left])
        del self._buffer[: len(taken)]
        if self._passes:
            return taken
        self._left -= len(taken)
        return taken if self._left else taken + b"\r\n"

    def _line(self, line: bytes) -> bytes | None:
        """What a line comes to: a chunk's first, an empty one, one behind the last chunk; None: it is none of these."""
        if self._is_last:
            self._passes = not line
            return b"" if line else b"\r\n"
        if not line:
            return b""  # behind a chunk's data
        found = _CHUNK.fullmatch(line)
        if found is None:
            return None
        self._left = int(found[1], 16)
        self._is_last = not self._left
        return b"%x\r\n" % self._left


def _in_a_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


def put_right(head: bytes) -> bytes:
    """A head that the library takes, with the empty line that ends it."""
    status, *lines = (line.removesuffix(b"\r") for line in head.split(b"\n"))
    fields = [field for line in _unfolded(lines) if (field := _field(line)) is not None]
    lengths = {length for name, value in fields if name.lower() == _SIZE for length in value.split(b", ")}
    left_out = {_TRANSFER, _SIZE} if len(lengths) > 1 else {_TRANSFER}
    kept = [b"%s: %s" % field for field in fields if field[0].lower() not in left_out]
    if any(name.lower() == _TRANSFER for name, _ in fields):  # once, wherever it was said
        kept.append(b"%s: %s" % (_TRANSFER, _CHUNKED))
    return b"\r\n".join([_status(status), *kept, b"", b""])


def _status(line: bytes) -> bytes:
    """A status line, with a single blank between its parts; one that is none, as it is."""
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        return line
    is_late = (int(found[1] or 0), int(found[2] or 0)) >= (1, 1)
    version = b"HTTP/1.1" if is_late else b"HTTP/1.0"  # what isn't said, or is older, promises the least
    return b" ".join([version, found[3], _CONTROLS.sub(b" ", found[4]).strip()])


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
    if name.lower() == _SIZE:
        lengths = [found[1] for part in value.split(b",") if (found := _LENGTH.fullmatch(part.strip()))]
        return (name, b", ".join(lengths)) if lengths else None
    if name.lower() == _TRANSFER:
        words = (word.partition(b";")[0].strip(b" \t\"'").lower() for word in value.split(b","))
        return (name, _CHUNKED) if _CHUNKED in words else None
    return name, value


def _may_be_head(data: bytes) -> bool:
    begun = data.lstrip(b"\r\n")[: len(_BEGINNINGS[0])].upper()
    return any(beginning.startswith(begun) for beginning in _BEGINNINGS)
