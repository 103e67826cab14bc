"""Decodes a stream in a process of its own: FFmpeg can hang or die, and then this process is killed, not the agent.

Run as `python -m edge_agent.camera.decoder`. The first line on the standard input is a `Stream` in JSON, so that
passwords stand in no list of processes; each further line asks for a picture. Each answer on the standard output is
a header (`FRAME_HEADER`) and its content:

    b"F", width, height    a picture, height x width x 3 bytes RGB
    b"E", length, 0        why there is none, in UTF-8; the process ends
    b".", 0, 0             nothing more will come; the process ends

Of a live stream the newest picture is given, and each only once; of a file each in turn.
"""

import json
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from typing import IO, TypeAlias

import av
from av.error import FFmpegError

from edge_agent.camera.decoding import FRAME_HEADER, MAX_PIXELS, Stream

_MAX_MEMORY = 4_000_000_000
"""Of addresses: a stream that declares giant pictures fails in here."""
VideoPacket: TypeAlias = "av.Packet[av.VideoStream]"
_ENDED = (None, "")


class Newest:
    """The newest picture of a live stream, or why it ended."""

    def __init__(self) -> None:
        """Nothing has come."""
        self._changed = threading.Condition()
        self._frame: av.VideoFrame | None = None
        self._end: tuple[str | None, str] | None = None

    def put(self, frame: av.VideoFrame) -> None:
        """Replace what was there."""
        with self._changed:
            self._frame = frame
            self._changed.notify()

    def end(self, reason: str | None) -> None:
        """Nothing more will come."""
        with self._changed:
            self._end = (reason, "") if reason else _ENDED
            self._changed.notify()

    def take(self) -> av.VideoFrame | str | None:
        """Wait for a picture that wasn't taken yet; a text says why none will come, None that the stream has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame is not None or self._end is not None)
            frame, self._frame = self._frame, None
            return frame if frame is not None else (self._end or _ENDED)[0]


def main() -> None:
    """Serve the pipe until it is closed."""
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    stream = Stream(**json.loads(requests.readline()))
    if stream.live:
        newest = Newest()
        threading.Thread(target=_fill, args=(newest, stream), daemon=True).start()
        _serve(requests, answers, iter(newest.take, object()))
    else:
        _serve(requests, answers, _file_pictures(stream))
    os._exit(0)  # FFmpeg may still hang in the other thread


def _serve(requests: IO[bytes], answers: IO[bytes], pictures: Iterator[av.VideoFrame | str | None]) -> None:
    while requests.readline():
        picture = next(pictures, None)
        if not isinstance(picture, av.VideoFrame):
            text = (picture or "").encode()
            answers.write(FRAME_HEADER.pack(b"E" if text else b".", len(text), 0) + text)
            answers.flush()
            return
        answers.write(FRAME_HEADER.pack(b"F", picture.width, picture.height))
        answers.write(picture.to_ndarray(format="rgb24").tobytes())
        answers.flush()


def _fill(newest: Newest, stream: Stream) -> None:
    try:
        for frame in _frames(stream):
            newest.put(frame)
        newest.end("the stream has ended")
    except Exception as error:  # noqa: BLE001 - the thread's outermost guard: whoever waits must be told
        newest.end(_reason(error))


def _file_pictures(stream: Stream) -> Iterator[av.VideoFrame | str | None]:
    try:
        for number, frame in enumerate(_frames(stream)):
            if number % stream.every == 0:
                yield frame
    except (FFmpegError, OSError, ValueError, MemoryError) as error:
        yield _reason(error)


def _frames(stream: Stream) -> Iterator[av.VideoFrame]:
    with av.open(
        stream.address, format=stream.format, options=stream.options, timeout=(stream.timeout_s, stream.timeout_s)
    ) as container:
        if not container.streams.video:
            raise ValueError("no video stream in it")
        video = container.streams.video[0]
        video.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        video.thread_type = "SLICE" if stream.live else "AUTO"  # whole frames side by side would come late
        if stream.keyframes_only:
            video.codec_context.skip_frame = "NONKEY"
        for packet in _in_time(container.demux(video), stream):
            for frame in packet.decode():
                if frame.width * frame.height > MAX_PIXELS:
                    raise ValueError(f"{frame.width} x {frame.height} pixels is too large")
                yield frame


def _in_time(packets: Iterator[VideoPacket], stream: Stream) -> Iterator[VideoPacket]:
    """A camera has sent nothing for too long: FFmpeg's parser gives its last packet first, and would wait once more."""
    last_s: float | None = None
    for packet in packets:
        now_s = time.monotonic()
        if stream.live and last_s is not None and now_s - last_s >= stream.timeout_s:
            raise ValueError("it sends nothing")
        last_s = now_s
        yield packet


def _reason(error: Exception) -> str:
    """Why, without the address: it may hold a password."""
    said = error.strerror if isinstance(error, OSError | FFmpegError) else str(error)
    return said or type(error).__name__


if __name__ == "__main__":
    main()
