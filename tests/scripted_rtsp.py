"""An RTSP camera for the tests that words and does things as odd cameras do: RTP over TCP alone."""

import contextlib
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import av
import numpy as np

WIDTH, HEIGHT, EVERY_S = 64, 48, 0.1
CLOCK_HZ = 90_000
SHELF = "/shelf"
_START_CODE = re.compile(b"\x00\x00\x00?\x01")
_SETS = {7, 8}
"""Kinds of units: a sequence's and a picture's parameters."""
VIDEO = ("m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1")
MPEG4 = ("m=video 0 RTP/AVP 96", "a=rtpmap:96 MP4V-ES/90000", "a=fmtp:96 profile-level-id=1")
AUDIO = ("m=audio 0 RTP/AVP 0", "a=rtpmap:0 PCMU/8000")


@dataclass(frozen=True)
class Habits:
    """What is odd about it."""

    media: tuple[tuple[str, ...], ...] = ((*VIDEO, "a=control:trackID=0"),)
    """Lines of each stream's description; `{url}` is the stream's address."""
    refuses: dict[str, str] = field(default_factory=dict)
    """A method's answer (status and reason) each time."""
    moved: str = ""
    """Where DESCRIBE of its stream is sent on to; `{base}` is the camera's own address without a path."""
    session: str = "12345678"
    """Of SETUP's answer."""
    hangs_up_after: int = 0
    """It sends TEARDOWN after so many pictures, and hangs up; 0: never."""
    nonces: tuple[str, ...] = ()
    """Digest: one is asked for, and with each later request once the next, which is `stale`."""
    coder: str = "libx264"
    """What codes its pictures; FFmpeg's name: `libx264`, or `mpeg4` (Part 2), which `media` then says."""
    chain: Path | None = None
    """Certificate and key, PEM: it speaks over TLS."""


def pictures(name: str = "libx264") -> list[list[bytes]]:
    """A few pictures, coded (H.264 or MPEG-4), each as its units, parameters in the band."""
    coder = av.CodecContext.create(name, "w")
    assert isinstance(coder, av.VideoCodecContext)
    coder.width, coder.height, coder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    coder.time_base = coder.framerate = 10  # type: ignore[assignment]
    if name == "libx264":
        coder.options = {"tune": "zerolatency", "x264-params": "keyint=1:repeat-headers=1"}
    coder.gop_size = 1
    coded = []
    for shade in (60, 200):
        frame = av.VideoFrame.from_ndarray(np.full((HEIGHT, WIDTH, 3), shade, np.uint8), format="rgb24")
        coded += coder.encode(frame.reformat(format="yuv420p"))
    if name != "libx264":
        return [[bytes(packet)] for packet in coded]  # MPEG-4 is sent as it is (RFC 6416)
    return [[unit for unit in _START_CODE.split(bytes(packet)) if unit] for packet in coded]


class OddRtspCamera:
    """It serves each connection in a thread of its own."""

    def __init__(self, habits: Habits) -> None:
        """Listen."""
        self._habits, self._pictures = habits, pictures(habits.coder)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base = f"{'rtsps' if habits.chain else 'rtsp'}://127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"{self.base}{SHELF}"
        self.heard: list[str] = []
        """Methods and addresses."""
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        """As it is."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up, and listen no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing it alone doesn't wake who waits in `accept`
        self._listener.close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):  # the other side was quicker
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, StopIteration), self._secured(connection) as secured:
            talk = _Talk(secured, self._habits, self)
            talk.prepare()
            talk.play(self._pictures)
            secured.shutdown(socket.SHUT_RDWR)

    def _secured(self, connection: socket.socket) -> socket.socket:
        if self._habits.chain is None:
            return connection
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._habits.chain)
        return context.wrap_socket(connection, server_side=True)


class _Talk:
    """One connection."""

    def __init__(self, connection: socket.socket, habits: Habits, camera: OddRtspCamera) -> None:
        self._connection, self._habits, self._camera = connection, habits, camera
        self._channel, self._streams, self._nonces = 0, 0, list(habits.nonces)
        self._requests = self._read()
        self._sequence = 0

    def prepare(self) -> None:
        """Answer until it is to play."""
        while self._answer(*next(self._requests)) != "PLAY":
            pass

    def play(self, units: list[list[bytes]]) -> None:
        """Send pictures on every stream that was set up, and answer meanwhile."""
        threading.Thread(target=self._go_on, daemon=True).start()
        number = 0
        while not self._is_over(number):
            for unit_number, unit in enumerate(units[number % len(units)]):
                is_last = unit_number == len(units[number % len(units)]) - 1
                for channel in range(0, 2 * self._streams, 2):
                    self._send_unit(channel, number, unit, is_last=is_last)
            number += 1
            time.sleep(EVERY_S)

    def _is_over(self, number: int) -> bool:
        habits = self._habits
        if not habits.hangs_up_after or number < habits.hangs_up_after:
            return False
        self._connection.sendall(f"TEARDOWN {self._camera.url} RTSP/1.0\r\nCSeq: 9\r\n\r\n".encode())
        return True

    def _send_unit(self, channel: int, number: int, unit: bytes, *, is_last: bool) -> None:
        self._sequence += 1
        moment = int(number * EVERY_S * CLOCK_HZ)
        header = struct.pack(">BBHII", 0x80, 96 | is_last << 7, self._sequence & 0xFFFF, moment, 1 + channel)
        packet = header + unit
        self._connection.sendall(struct.pack(">cBH", b"$", channel, len(packet)) + packet)

    def _go_on(self) -> None:
        with contextlib.suppress(OSError, StopIteration):
            while True:
                self._answer(*next(self._requests))

    def _read(self) -> Iterator[tuple[str, str, str]]:
        """Method, address and headers of each request; what FFmpeg reports of RTP is passed over."""
        stream = self._connection.makefile("rb")
        while first := stream.read(1):
            if first == b"$":
                _, length = struct.unpack(">BH", stream.read(3))
                stream.read(length)
                continue
            line = (first + stream.readline()).decode()
            headers = "".join(iter(lambda: stream.readline().decode().replace("\r\n", "\n"), "\n"))
            if line.strip() and not line.startswith("RTSP/"):
                method, address, _ = line.split()
                yield method, address, headers

    def _answer(self, method: str, address: str, headers: str) -> str:
        self._camera.heard.append(f"{method} {address}")
        number = re.search(r"(?i)^cseq: *(\d+)", headers, re.MULTILINE)
        status, lines, body = self._said(method, address, headers)
        lines = [f"CSeq: {number[1] if number else 0}", *lines, f"Content-Length: {len(body)}"]
        self._connection.sendall("\r\n".join([f"RTSP/1.0 {status}", *lines, "", body]).encode())
        return method if status == "200 OK" else ""

    def _said(self, method: str, address: str, headers: str) -> tuple[str, list[str], str]:
        habits = self._habits
        if method in habits.refuses:
            return habits.refuses[method], [], ""
        if self._nonces and method != "OPTIONS":
            asked = self._asked_who(headers)
            if asked:
                return "401 Unauthorized", [asked], ""
        if method == "DESCRIBE":
            if habits.moved and address.endswith(SHELF):
                return "302 Moved Temporarily", [f"Location: {habits.moved.format(base=self._camera.base)}"], ""
            return "200 OK", ["Content-Type: application/sdp"], self._description(address)
        if method == "SETUP":
            return self._set_up(headers)
        return "200 OK", ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"], ""

    def _asked_who(self, headers: str) -> str:
        """The challenge, where the present nonce wasn't answered; each holds for one request."""
        if f'nonce="{self._nonces[0]}"' in headers:
            if len(self._nonces) > 1:
                self._nonces.pop(0)
            return ""
        stale = ", stale=true" if "Authorization" in headers else ""
        return f'WWW-Authenticate: Digest realm="shelf", nonce="{self._nonces[0]}"{stale}'

    def _set_up(self, headers: str) -> tuple[str, list[str], str]:
        if "TCP" not in headers:
            return "461 Unsupported Transport", [], ""
        channel = 2 * self._streams
        self._streams += 1
        transport = f"Transport: RTP/AVP/TCP;unicast;interleaved={channel}-{channel + 1}"
        return "200 OK", [transport, f"Session: {self._habits.session}"], ""

    def _description(self, address: str) -> str:
        lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=shelf", "c=IN IP4 0.0.0.0", "t=0 0"]
        lines += [line.format(url=address) for stream in self._habits.media for line in stream]
        return "\r\n".join(lines) + "\r\n"
