"""Streams and videos, decoded by FFmpeg (PyAV) in a process that is killed when it hangs or its work is done."""

import contextlib
import enum
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import IO, Final
from urllib.parse import quote, urlsplit, urlunsplit

from edge_agent.camera.attention import Attention
from edge_agent.camera.decoding.protocol import FRAME_HEADER, MULTIPART, StreamRequest
from edge_agent.camera.decoding.shared import PictureMemory
from edge_agent.camera.errors import DecoderError
from edge_agent.camera.passwords import read_password
from edge_agent.camera.trust import policy_of
from edge_agent.config.sources import MjpegSource, RtspSource, V4l2Source, VideoSource
from kardus.inference.geometry import MAX_PIXELS
from kardus.inference.part_decoded import GivenPicture
from kardus.inference.planes import CODINGS, PlanarPicture, planes_size
from kardus.inference.preprocess import decode_half, decode_picture
from kardus.support.errors import DataError

FILE_TIMEOUT_S = 60.0
"""A file on a slow disk may take longer than a camera."""
AT_ONCE_S = 0.5
"""A failure that comes so soon after the first question lay there already: it is of when the stream was connected."""
GRACE_S = 2.0
"""FFmpeg's own time-outs come first; only where they fail is the process killed."""
SENT_ON = "rtsp,rtp,udp,tcp"
"""Protocols of a camera that may send us on: to TLS it would be checked by nobody."""
STAYS = "rtp,udp,tcp"
"""Of one that is not followed: where a user name is given FFmpeg would tell whoever asks there, and from `rtsps` on
neither would anything be encrypted nor anybody checked."""
_MAX_TEXT = 65_536
"""A longer reason is nonsense, in bytes."""


class _Rests(enum.Enum):
    RESTS = enum.auto()


RESTS: Final = _Rests.RESTS
"""Nothing has moved, and no key frame has come."""


class Decoder:
    """The decoding process, and the pipe to it. Used by one thread; any thread may `kill` it."""

    def __init__(self, stream: StreamRequest) -> None:
        """Start the process; raises OSError where this machine has no room for one more."""
        self.rests = False
        """Whether no frame is decoded but what is given."""
        self.age_s = 0.0
        """For how long the last picture had waited in the process."""
        self._memory = PictureMemory.create()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, and a number
                [sys.executable, "-m", "edge_agent.camera.decoding.decoder", str(self._memory.descriptor)],
                pass_fds=(self._memory.descriptor,),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # FFmpeg's own messages hold addresses with passwords
                bufsize=0,
            )
        except OSError:
            self._memory.close()
            raise
        self._requests, self._answers = _pipe(self._process.stdin), _pipe(self._process.stdout)
        self._ask(stream.encode())

    def picture(self, timeout_s: float, attention: Callable[[], Attention]) -> GivenPicture | bytes | str | None:
        """The next picture, RGB or its JPEG, or why there is none this time; None when the source has ended.

        While nothing moves it is waited for longer than each answer may take, `timeout_s`: until a key frame comes.

        Raises:
            DecoderError: there is none; the process is of no more use.
        """
        last_s = time.monotonic() + timeout_s
        while (answer := self._answer(timeout_s, attention())) is RESTS:
            if time.monotonic() > last_s:
                return "it sends no key frame"
        return answer

    def _answer(self, timeout_s: float, attention: Attention) -> "GivenPicture | bytes | str | _Rests | None":
        deadline = time.monotonic() + timeout_s
        self._ask(attention.encode() + b"\n")
        header = self._read(FRAME_HEADER.size, deadline)
        kind, width, height, coding, self.rests, self.age_s = FRAME_HEADER.unpack(header)
        if kind == b"R":
            return RESTS
        if kind == b"F" and 0 < width * height <= MAX_PIXELS:
            return self._memory.read(width, height)
        if kind == b"P" and 0 < width * height <= MAX_PIXELS and coding < len(CODINGS):
            planes = self._memory.read_bytes(planes_size(width, height))
            return PlanarPicture(planes, (width, height), CODINGS[coding])
        if kind == b"J":
            return self._memory.read_bytes(width)
        if kind in {b"N", b"E"} and width <= _MAX_TEXT:
            reason = self._read(width, deadline).decode(errors="replace")
            if kind == b"N":
                return reason
            raise DecoderError(reason)
        if kind == b".":
            return None
        raise DecoderError("its decoder gave nonsense")

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self._requests.close()
        self._answers.close()
        self._memory.close()

    def interrupt(self) -> None:
        """End the process from another thread; whoever waits for it gets a DecoderError."""
        self._process.kill()

    def _ask(self, line: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # it has died: reading its answer says so
            self._requests.write(line)

    def _read(self, size: int, deadline: float) -> bytes:
        content = bytearray(size)
        self._fill(memoryview(content), deadline)
        return bytes(content)

    def _fill(self, target: memoryview, deadline: float) -> None:
        done = 0
        while done < len(target):
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise DecoderError("it sends nothing")
            got = os.readv(self._answers.fileno(), [target[done:]])
            if not got:
                raise DecoderError(f"its decoder died (exit code {self._process.wait()})")
            done += got


class StreamSource:
    """Pictures of a stream or video. Each attempt to get them has a process of its own."""

    def __init__(self, name: str, stream: StreamRequest, remedy: str) -> None:
        """`name` is what reasons call it; nothing is opened yet."""
        self.attention: Attention = "moving"
        self.live = stream.live
        self._name = name
        self._stream = stream
        self._remedy = remedy
        self._lock = threading.Lock()
        self._decoder: Decoder | None = None
        self._connecting: Decoder | None = None
        """Begun before anybody asked for a picture."""
        self._closed = False

    def connect(self) -> None:
        """Let a live stream's process connect before a picture is asked for. Waits for nothing; no file is begun.

        Raises:
            OSError: it can't be started.
        """
        with self._lock:
            if self.live and not self._closed and self._decoder is None:
                self._decoder = self._connecting = Decoder(self._stream)

    def pictures(self) -> Iterator[GivenPicture | str]:
        """Pictures, or why there is none. A live stream is opened again at the next look; a file ends."""
        while True:
            reason = yield from self._until_it_fails()
            if reason:
                yield self._explained(reason)
            if not self.live or self._closed:
                return

    @property
    def rests(self) -> bool | None:
        """Whether no frame of the stream is decoded but what is given, as of the last answer; None: none is decoded."""
        decoder = self._decoder
        return bool(decoder.rests) if decoder and not self._closed else None

    @property
    def age_s(self) -> float:
        """How old the last picture was when it was given, in seconds."""
        decoder = self._decoder
        return decoder.age_s if decoder else 0.0

    def close(self) -> None:
        """End the process. May be called from any thread, also while another waits for a picture."""
        with self._lock:
            self._closed = True
            never_asked, self._connecting = self._connecting, None
            if never_asked:
                self._decoder = None
            elif self._decoder:
                self._decoder.interrupt()
        if never_asked:
            never_asked.kill()

    def _decoded(self, coded: bytes) -> GivenPicture | str:
        """A JPEG, decoded to what is needed, or why it can't be."""
        try:
            return (decode_half if self.attention == "rest" else decode_picture)(coded, "a picture")
        except DataError as error:
            return str(error)

    def _explained(self, reason: str) -> str:
        what = "no picture" if self.live else "cannot be read on"
        return f"{self._name}: {what} ({reason}): {self._remedy}"

    def _until_it_fails(self) -> Generator[GivenPicture | str, None, str]:
        """One process's pictures; returns why they ended, or an empty text."""
        with self._lock:
            if self._closed:
                return ""
            early, self._connecting = self._connecting, None
            decoder = self._decoder = early or Decoder(self._stream)
        timeout_s, asked_s = self._stream.timeout_s + GRACE_S, time.monotonic()
        try:
            while (picture := decoder.picture(timeout_s, lambda: self.attention)) is not None:
                early = None
                given = self._decoded(picture) if isinstance(picture, bytes) else picture
                yield self._explained(given) if isinstance(given, str) else given
        except DecoderError as error:
            return "" if early and time.monotonic() - asked_s < AT_ONCE_S else str(error)
        finally:
            with self._lock:
                self._decoder = None
            decoder.kill()
        return ""


def rtsp_source(settings: RtspSource) -> StreamSource:
    """A network camera's stream."""
    return StreamSource(settings.url, rtsp_request(settings), "check the camera, its address, user name and password")


def rtsp_request(settings: RtspSource) -> StreamRequest:
    """What its decoder is asked for."""
    options = {
        "rtsp_transport": "tcp",
        "timeout": _microseconds(settings.timeout_s),
        "analyzeduration": "500000",
        "protocol_whitelist": STAYS if settings.username or urlsplit(settings.url).scheme == "rtsps" else SENT_ON,
    }
    return StreamRequest(
        _with_login(settings),
        "rtsp",
        options,
        decoded=settings.decode,
        timeout_s=settings.timeout_s,
        tls=policy_of(settings),
        colour=settings.colour,
    )


def mjpeg_source(settings: MjpegSource) -> StreamSource:
    """Picture after picture over HTTP."""
    stream = StreamRequest(
        settings.url,
        MULTIPART,
        timeout_s=settings.timeout_s,
        username=settings.username,
        password=read_password(settings.password_file),
        tls=policy_of(settings),
    )
    return StreamSource(settings.url, stream, "check the camera, its address, user name and password")


def v4l2_source(settings: V4l2Source) -> StreamSource:
    """A camera on this machine."""
    size = f"{settings.width}x{settings.height}" if settings.width and settings.height else ""
    options = {"video_size": size} if size else {}
    stream = StreamRequest(
        settings.device, "v4l2", options, timeout_s=settings.timeout_s, colour=settings.colour, untagged="bt601"
    )
    return StreamSource(
        settings.device, stream, "plug the camera in, check its name, size and the agent's rights to it"
    )


def video_source(settings: VideoSource) -> StreamSource:
    """A video file."""
    stream = StreamRequest(
        str(settings.path), live=False, every=settings.every, timeout_s=FILE_TIMEOUT_S, colour=settings.colour
    )
    return StreamSource(str(settings.path), stream, "check the path and the file")


def _with_login(settings: RtspSource) -> str:
    """The address with user name and password, as FFmpeg takes them."""
    if settings.username is None:
        return settings.url
    parts = urlsplit(settings.url)
    password = read_password(settings.password_file)
    login = quote(settings.username, safe="") + ":" + quote(password, safe="")
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))


def _microseconds(seconds: float) -> str:
    return str(int(seconds * 1e6))


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError("a pipe was asked for")
    return pipe
