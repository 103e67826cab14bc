"""Decodes a stream in a process of its own: FFmpeg can hang or die, and then this process is killed, not the agent.

Run as `python -m edge_agent.camera.decoder`. The first line on the standard input is a `Stream` in JSON, so that
passwords stand in no list of processes; each further line asks for a picture. Each answer on the standard output is
a header (`FRAME_HEADER`) and its content:

    b"F", width, height    a picture, height x width x 3 bytes RGB
    b"N", length, 0        why there is none this time, in UTF-8; more may come
    b"E", length, 0        why there is none, in UTF-8; the process ends
    b".", 0, 0             nothing more will come; the process ends

Of a live stream the newest picture is given, and each only once; of a file each in turn.
"""

import os
import resource
import sys
import threading
from collections.abc import Iterator
from itertools import islice
from typing import IO, TypeVar

from edge_agent.camera.decoding import FRAME_HEADER, MULTIPART, Stream
from edge_agent.camera.newest import Newest
from kardus.support.errors import KardusError

_MAX_MEMORY = 4_000_000_000
"""Of addresses: a stream that declares giant pictures fails in here."""
Coded = TypeVar("Coded")
Picture = tuple[int, int, bytes]
"""Width, height, and height x width x 3 bytes RGB."""


def main() -> None:
    """Serve the pipe until it is closed."""
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    stream = Stream.decode(requests.readline())
    _serve(requests, answers, _pictures(stream))
    os._exit(0)  # FFmpeg may still hang in the other thread


def _serve(requests: IO[bytes], answers: IO[bytes], pictures: Iterator[Picture | str]) -> None:
    while requests.readline():
        kind = b"N"
        try:
            picture = next(pictures, None)
        except Exception as error:  # noqa: BLE001 - the outermost guard: whoever waits must be told
            kind, picture = b"E", _reason(error)
        if isinstance(picture, tuple):
            width, height, pixels = picture
            answers.write(FRAME_HEADER.pack(b"F", width, height) + pixels)
        elif picture is None:
            answers.write(FRAME_HEADER.pack(b".", 0, 0))
        else:
            text = picture.encode()
            answers.write(FRAME_HEADER.pack(kind, len(text), 0) + text)
        answers.flush()
        if picture is None or kind == b"E":
            return


def _pictures(stream: Stream) -> Iterator[Picture | str]:
    if stream.format == MULTIPART:
        from edge_agent.camera.mjpeg import coded_pictures, decoded  # noqa: PLC0415 - FFmpeg isn't needed, nor HTTP below

        for coded in _newest(coded_pictures(stream)):
            picture = decoded(coded)
            yield picture if isinstance(picture, str) else (picture.width, picture.height, picture.tobytes())
    else:
        from av.video.reformatter import VideoReformatter  # noqa: PLC0415

        from edge_agent.camera.seen import as_seen  # noqa: PLC0415
        from edge_agent.camera.video import frames  # noqa: PLC0415

        reformatter = VideoReformatter()
        for frame in _newest(frames(stream)) if stream.live else islice(frames(stream), 0, None, stream.every):
            if isinstance(frame, str):
                yield frame
                continue
            pixels = as_seen(frame, stream, reformatter)
            yield pixels.shape[1], pixels.shape[0], pixels.tobytes()


def _newest(coming: Iterator[Coded]) -> Iterator[Coded]:
    """The newest of them whenever one is asked for; they are fetched meanwhile."""
    newest = Newest[Coded]()
    threading.Thread(target=_fill, args=(newest, coming), daemon=True).start()
    while True:
        yield newest.take()


def _fill(newest: Newest[Coded], coming: Iterator[Coded]) -> None:
    try:
        for item in coming:
            newest.put(item)
        newest.end("the stream has ended")
    except Exception as error:  # noqa: BLE001 - the thread's outermost guard: whoever waits must be told
        newest.end(_reason(error))


def _reason(error: Exception) -> str:
    """Why, in a line, without the address: it may hold a password."""
    said = str(error) if isinstance(error, ValueError | KardusError) else None
    said = getattr(error, "strerror", said)  # the system's errors, and all of FFmpeg's
    return " ".join((said or type(error).__name__).split())


if __name__ == "__main__":
    main()
