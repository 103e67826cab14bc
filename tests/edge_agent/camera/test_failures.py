"""Whatever a library raises, in whatever kind of source: it is a reason, and the source is asked again."""

import importlib
import io
import queue
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import httpx2
import pytest
from PIL import Image

from edge_agent.camera.decoding import decoder
from edge_agent.camera.decoding.protocol import FRAME_HEADER, MULTIPART, StreamRequest
from edge_agent.camera.decoding.shared import PictureMemory
from edge_agent.camera.reader import CameraReader, ReaderItem
from edge_agent.camera.tls import TlsPolicy
from edge_agent.cameras import open_camera_source
from edge_agent.config.cameras import CameraSection
from edge_agent.records import Frame, SignalLost
from tests.cameras import HttpCamera, RtspCamera, jpeg, mjpeg
from tests.patience import PATIENCE_S

LIBRARIES = ("builtins", "httpx2", "httpcore2", "h11", "PIL", "av", "ssl", "_ssl", "socket", "zlib", "struct", "json")
_ARGUMENTS: tuple[tuple[Any, ...], ...] = (
    (),
    ("said",),
    (5, "said"),
    ("said", [ValueError()]),
    ("ascii", b"x", 0, 1, "said"),
    ("ascii", "x", 0, 1, "said"),
)
NOT_A_FAILURE = (StopIteration, StopAsyncIteration)


def _every_failure() -> list[type[Exception]]:
    """Every class of exception of the libraries that a camera's pictures come through."""
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in ("httpx2", "httpcore2", "h11", "PIL", "av"):
        assert name in sys.modules
    found, wanted = set[type[Exception]](), [Exception]
    while wanted:
        for one in wanted.pop().__subclasses__():
            if one not in found:
                found.add(one)
                wanted.append(one)
    return sorted(
        (
            one
            for one in found
            if one.__module__.split(".")[0] in LIBRARIES and not issubclass(one, (*NOT_A_FAILURE, Warning))
        ),
        key=lambda one: (one.__module__, one.__qualname__),
    )


def _made(kind: type[Exception]) -> Exception:
    """One of them; where its arguments can't be guessed, one that was never told any."""
    for arguments in _ARGUMENTS:
        try:
            return kind(*arguments)
        except TypeError:
            continue
    return kind.__new__(kind)


FAILURES = _every_failure()


class Raising:
    """Stands before a library's function, and raises one failure after another; then it lets calls through."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """`function` is the library's."""
        self._function = function
        self.left = [_made(kind) for kind in FAILURES]

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Raise, or do it."""
        if self.left:
            raise self.left.pop()
        return self._function(*arguments, **options)


def _section(kind: str, **settings: Any) -> CameraSection:
    location = {"id": "L", "corners": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    source = {"type": kind, **settings}
    return CameraSection.model_validate({"name": "c", "source": source, "locations": [location]})


def _until_a_picture(section: CameraSection) -> list[ReaderItem]:
    """What a reader hands over up to the first picture."""
    items: queue.Queue[ReaderItem] = queue.Queue()
    reader = CameraReader("c", open_camera_source(section), 0.0, items.put)
    reader.start()
    taken: list[ReaderItem] = []
    try:
        while not taken or isinstance(taken[-1], SignalLost):
            taken.append(items.get(timeout=PATIENCE_S))
            reader.taken()
    finally:
        reader.stop()
    return taken


def _picture(folder: Path) -> Path:
    (folder / "now.jpg").write_bytes(jpeg(90))
    return folder / "now.jpg"


def _pictures(folder: Path) -> Path:
    for number in range(len(FAILURES) + 1):
        (folder / f"{number}.jpg").write_bytes(jpeg(90, 8, 8))
    return folder


def _video(folder: Path) -> Path:
    path = folder / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], Raising]:
    """Puts a `Raising` in a library's place."""
    monkeypatch.setattr("edge_agent.camera.reader.backoff_s", lambda _: 0.0)
    context = TlsPolicy(insecure=True).context()
    monkeypatch.setattr(TlsPolicy, "context", lambda _: context)  # reading all authorities takes its time

    def put(owner: Any, name: str) -> Raising:
        before = Raising(getattr(owner, name))
        # a function, so that a method's object is handed on
        monkeypatch.setattr(owner, name, lambda *arguments, **options: before(*arguments, **options))  # noqa: PLW0108
        return before

    return put


def _check(taken: list[ReaderItem], before: Raising) -> None:
    assert len(FAILURES) > 120
    assert not before.left
    assert isinstance(taken[-1], Frame)
    lost = [item for item in taken if isinstance(item, SignalLost)]
    assert len(lost) == len(taken) - 1 == len(FAILURES)
    assert all(item.reason and len(item.reason.splitlines()) == 1 for item in lost)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_file_s_failure_is_a_reason_and_a_retry(
    tmp_path: Path, raising: Callable[[Any, str], Raising], kind: str
) -> None:
    path = _picture(tmp_path) if kind == "file" else _pictures(tmp_path)
    before = raising(Image, "open")
    _check(_until_a_picture(_section(kind, path=str(path))), before)


def test_a_snapshot_s_failure_is_a_reason_and_a_retry(raising: Callable[[Any, str], Raising]) -> None:
    before = raising(httpx2.Client, "send")
    with HttpCamera(lambda handler: handler.send(jpeg(90))) as camera:
        _check(_until_a_picture(_section("snapshot", url=camera.url)), before)


def test_a_stream_s_failure_in_the_agent_is_a_reason_and_a_retry(raising: Callable[[Any, str], Raising]) -> None:
    with RtspCamera() as camera:
        before = raising(subprocess, "Popen")
        taken = _until_a_picture(_section("rtsp", url=camera.url))
    assert not before.left
    assert isinstance(taken[-1], Frame)


def test_an_mjpeg_s_failure_in_the_agent_is_a_reason_and_a_retry(raising: Callable[[Any, str], Raising]) -> None:
    before = raising(subprocess, "Popen")
    with HttpCamera(mjpeg(iter([30] * 500))) as camera:
        _check(_until_a_picture(_section("mjpeg", url=camera.url)), before)


def test_a_video_s_failure_in_the_agent_is_a_reason_and_a_retry(
    tmp_path: Path, raising: Callable[[Any, str], Raising]
) -> None:
    path = _video(tmp_path)
    before = raising(subprocess, "Popen")
    _check(_until_a_picture(_section("video", path=str(path))), before)


STREAMS: dict[str, tuple[StreamRequest, Any, str]] = {
    "rtsp": (StreamRequest("rtsp://127.0.0.1:9/x", "rtsp"), av, "open"),
    "video": (StreamRequest("x.mp4", live=False), av, "open"),
    "mjpeg": (StreamRequest("http://127.0.0.1:9/x", MULTIPART), httpx2.Client, "send"),
}


def _answer(stream: StreamRequest) -> tuple[bytes, str]:
    """What the decoding process answers to the first request."""
    answers, memory = io.BytesIO(), PictureMemory.create()
    decoder._serve(io.BytesIO(b"\n"), answers, decoder._giver(stream), memory)
    memory.close()
    kind, length, *_ = FRAME_HEADER.unpack(answers.getvalue()[: FRAME_HEADER.size])
    text = answers.getvalue()[FRAME_HEADER.size :].decode()
    assert len(text.encode()) == length
    return kind, text


def test_how_old_a_picture_is_goes_with_it() -> None:
    answers, memory = io.BytesIO(), PictureMemory.create()
    giver = decoder.PictureGiver(lambda _: b"a picture", lambda: True, lambda: 4.0)
    decoder._serve(io.BytesIO(b"rest\n"), answers, giver, memory)
    memory.close()
    assert FRAME_HEADER.unpack(answers.getvalue()) == (b"J", len(b"a picture"), 0, 0, True, 4.0)


@pytest.mark.parametrize("kind", STREAMS)
def test_a_failure_in_the_decoding_process_is_told(kind: str, raising: Callable[[Any, str], Raising]) -> None:
    stream, owner, name = STREAMS[kind]
    before = raising(owner, name)
    while before.left:
        answer, text = _answer(stream)
        assert answer == b"E"
        assert text
        assert len(text.splitlines()) == 1
