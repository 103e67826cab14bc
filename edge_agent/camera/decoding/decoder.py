"""Decodes a stream in a process of its own: FFmpeg can hang or die, and then this process is killed, not the agent.

Run as `python -m edge_agent.camera.decoding.decoder MEMORY`, a file descriptor of shared memory (`PictureMemory`). The
first line on the standard input is a `StreamRequest` in JSON, so that passwords stand in no list of processes; each
further line asks for a picture, and says what was made of the last one (`Attention`). Each answer on the standard
output is a header (`FRAME_HEADER`) and its content:

    b"F", width, height, 0, rests, age       a picture, RGB, which lies in the shared memory until the next request
    b"P", width, height, coding, rests, age  the same as planes (`kardus.inference.planes`), and which of its `CODINGS`
    b"J", length, 0, 0, rests, age           as the camera coded it: JPEG, PNG, WebP or BMP
    b"R", 0, 0, 0, rests, age                nothing has moved, and no key frame has come: ask again
    b"N", length, 0, 0, rests, age           why there is none this time, in UTF-8; more may come
    b"E", length, 0, 0, rests, age           why there is none, in UTF-8; the process ends
    b".", 0, 0, 0, rests, age                nothing more will come; the process ends

`rests` is 1 while no frame is decoded but what is given, else 0. `age` is for how many seconds a picture has waited.

Of a live stream the newest picture is given, and each only once; of a file each in turn.
"""

import os
import resource
import sys
import threading
from collections.abc import Callable
from itertools import islice
from typing import IO, TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_agent.camera.attention import Attention
from edge_agent.camera.decoding.latest_item import LatestItem
from edge_agent.camera.decoding.protocol import FRAME_HEADER, MULTIPART, StreamRequest
from edge_agent.camera.decoding.shared import PictureMemory
from kardus.support.errors import KardusError

if TYPE_CHECKING:
    from edge_agent.camera.decoding.display_frame import DisplayPlanes

_MAX_MEMORY = 4_000_000_000
"""Of addresses: a stream that declares giant pictures fails in here."""
RESTS_S = 0.5
"""While nothing moves and no key frame comes, the agent is told so as often: it may know better."""
Answer: TypeAlias = "NDArray[np.uint8] | DisplayPlanes | bytes | str | None"
"""A picture, (height, width, 3) RGB, its planes, or its code; why there is none; or None: nothing has moved."""


class PictureGiver(NamedTuple):
    """What gives pictures."""

    give: Callable[[Attention], Answer]
    """Raises StopIteration where nothing more will come."""
    rests: Callable[[], bool]
    """Whether no frame is decoded but what is given."""
    age_s: Callable[[], float] = lambda: 0.0
    """How long what was last given had waited."""


ATTENTIONS: dict[bytes, Attention] = {b"rest\n": "rest", b"wanted\n": "wanted"}


def main() -> None:
    """Serve the pipe until it is closed."""
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    stream = StreamRequest.decode(requests.readline())
    _serve(requests, answers, _giver(stream), PictureMemory(int(sys.argv[1])))
    os._exit(0)  # FFmpeg may still hang in the other thread


def _serve(requests: IO[bytes], answers: IO[bytes], giver: PictureGiver, memory: PictureMemory) -> None:
    while request := requests.readline():
        kind, is_last = b"N", False
        answer: Answer = None
        try:
            answer = giver.give(ATTENTIONS.get(request, "moving"))
            memory.write(*_content(answer))
        except StopIteration:
            kind, is_last = b".", True
        except Exception as error:  # noqa: BLE001 - the outermost guard: whoever waits must be told
            kind, is_last, answer = b"E", True, _reason(error)
        _answer(answers, kind, answer, giver)
        if is_last:
            return


def _content(answer: Answer) -> tuple[NDArray[np.uint8], ...]:
    """What goes into the shared memory."""
    if answer is None or isinstance(answer, str):
        return ()
    if isinstance(answer, bytes):
        return (np.frombuffer(answer, np.uint8),)
    return (answer,) if isinstance(answer, np.ndarray) else answer.planes


def _answer(answers: IO[bytes], kind: bytes, answer: Answer, giver: PictureGiver) -> None:
    state = giver.rests(), giver.age_s()
    if isinstance(answer, str):
        text = answer.encode()
        answers.write(FRAME_HEADER.pack(kind, len(text), 0, 0, *state) + text)
    else:
        answers.write(FRAME_HEADER.pack(*_header(kind, answer), *state))
    answers.flush()


def _header(kind: bytes, answer: "NDArray[np.uint8] | DisplayPlanes | bytes | None") -> tuple[bytes, int, int, int]:
    if answer is None:
        return b"." if kind == b"." else b"R", 0, 0, 0
    if isinstance(answer, bytes):
        return b"J", len(answer), 0, 0
    if isinstance(answer, np.ndarray):
        return b"F", answer.shape[1], answer.shape[0], 0
    height, width = answer.planes[0].shape
    return b"P", width, height, answer.coding


def _giver(stream: StreamRequest) -> PictureGiver:
    """What gives the next picture, by the stream's kind; each loads only what it needs."""
    if stream.format == MULTIPART:
        return _from_parts(stream)
    return _from_camera(stream) if stream.live else _from_file(stream)


def _from_parts(stream: StreamRequest) -> PictureGiver:
    from edge_agent.camera.decoding.mjpeg import coded_pictures  # noqa: PLC0415 - FFmpeg isn't needed, nor HTTP below

    newest = LatestItem[bytes | str]()

    def read() -> None:
        for coded in coded_pictures(stream):
            newest.put(coded)

    _begin(read, newest.end)

    return PictureGiver(lambda _: newest.take(), lambda: True, lambda: newest.age_s)


def _from_camera(stream: StreamRequest) -> PictureGiver:
    from av.video.reformatter import VideoReformatter  # noqa: PLC0415

    from edge_agent.camera.decoding.display_frame import display_frame  # noqa: PLC0415
    from edge_agent.camera.decoding.live import LiveDecoder  # noqa: PLC0415

    live, reformatter = LiveDecoder(stream), VideoReformatter()
    _begin(live.follow, live.end)

    def give(attention: Attention) -> Answer:
        frame = live.take(attention, RESTS_S)
        return frame if frame is None or isinstance(frame, str) else display_frame(frame, stream, reformatter)

    return PictureGiver(give, lambda: live.rests, lambda: live.age_s)


def _from_file(stream: StreamRequest) -> PictureGiver:
    from av.video.reformatter import VideoReformatter  # noqa: PLC0415

    from edge_agent.camera.decoding.display_frame import display_frame  # noqa: PLC0415
    from edge_agent.camera.decoding.video import frames  # noqa: PLC0415

    coming, reformatter = islice(frames(stream), 0, None, stream.every), VideoReformatter()

    def give(_: Attention) -> Answer:
        frame = next(coming)
        return frame if isinstance(frame, str) else display_frame(frame, stream, reformatter)

    return PictureGiver(give, lambda: False)


def _begin(read: Callable[[], None], end: Callable[[str], None]) -> None:
    """Read in a thread until there is nothing more, and say why."""

    def work() -> None:
        try:
            read()
            end("the stream has ended")
        except Exception as error:  # noqa: BLE001 - the thread's outermost guard: whoever waits must be told
            end(_reason(error))

    threading.Thread(target=work, daemon=True).start()


def _reason(error: Exception) -> str:
    """Why, in a line, without the address: it may hold a password."""
    said = str(error) if isinstance(error, ValueError | KardusError) else None
    said = getattr(error, "strerror", said)  # the system's errors, and all of FFmpeg's
    return " ".join((said or type(error).__name__).split())


if __name__ == "__main__":
    main()
