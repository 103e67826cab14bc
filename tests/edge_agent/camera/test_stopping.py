"""A reader stops at once, in whatever stage its camera drips; several that can't stop are waited for together."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.camera.reader import CameraReader
from edge_agent.cameras import Cameras, open_camera_source
from edge_agent.config import Config
from edge_agent.config.cameras import CameraSection
from tests.cameras import decoders, jpeg
from tests.dripping import NEVER_DONE, Behaviour, DrippingServer, drip, drips_handshake, says_nothing
from tests.patience import PATIENCE_S, wait_until, within

PROMISED_S = 3


def _drips_picture(taken: socket.socket, stopping: threading.Event) -> None:
    """A picture, and another that never ends."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n--frame\r\n\r\n"
    taken.sendall(head + jpeg(90)[:-300])
    drip(taken, stopping, b"x")


def _drips_description(taken: socket.socket, stopping: threading.Event) -> None:
    """An RTSP camera that answers every request but DESCRIBE's in full."""
    taken.sendall(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n")
    taken.recv(65536)
    taken.sendall(b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\nContent-Length: 9000\r\n\r\nv=0\r\n")
    drip(taken, stopping, b"x")


STAGES: dict[str, tuple[str, str, Behaviour]] = {
    **{f"snapshot: {case}": ("snapshot", scheme, behaviour) for case, (scheme, behaviour) in NEVER_DONE.items()},
    "mjpeg: says nothing": ("mjpeg", "http", says_nothing),
    "mjpeg: in the middle of a picture": ("mjpeg", "http", _drips_picture),
    "mjpeg: drips the TLS handshake": ("mjpeg", "https", drips_handshake),
    "rtsp: says nothing": ("rtsp", "rtsp", says_nothing),
    "rtsp: drips its description": ("rtsp", "rtsp", _drips_description),
    "rtsp: drips the TLS handshake": ("rtsp", "rtsps", drips_handshake),
}


def _section(kind: str, url: str, name: str = "c") -> CameraSection:
    location = {"id": f"L-{name}", "corners": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    source = {"type": kind, "url": url, "timeout_s": 15}
    return CameraSection.model_validate({"name": name, "source": source, "locations": [location]})


def _reader(section: CameraSection) -> CameraReader:
    return CameraReader("c", open_camera_source(section), 0.0, lambda _: None)


@pytest.mark.parametrize("case", STAGES)
def test_a_reader_whose_camera_is_never_done_stops_at_once(case: str) -> None:
    kind, scheme, behaviour = STAGES[case]
    with DrippingServer(behaviour) as server:
        reader = _reader(_section(kind, server.url(scheme)))
        reader.start()
        assert server.asked.acquire(timeout=PATIENCE_S)
        with within(PROMISED_S):
            reader.stop()
        wait_until(lambda: not reader.is_alive)
        assert not decoders(), "no decoder is left"


@contextlib.contextmanager
def _deaf() -> Iterator[int]:
    """A port that lets nobody in: those who wait at its door are as many as it takes."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as waiting:
        port = listener.getsockname()[1]
        for _ in range(2):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        yield port


def _is_knocking(port: int) -> bool:
    """Whether somebody but the two who wait tries to connect there (state 02 is SYN_SENT)."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[2].endswith(f":{port:04X}") and line[3] == "02" for line in lines) > 1


@pytest.mark.parametrize(("kind", "scheme"), [("snapshot", "http"), ("mjpeg", "http"), ("rtsp", "rtsps")])
def test_a_reader_that_is_not_let_in_stops_at_once(kind: str, scheme: str) -> None:
    with _deaf() as port:
        reader = _reader(_section(kind, f"{scheme}://127.0.0.1:{port}/x"))
        reader.start()
        wait_until(lambda: _is_knocking(port))
        with within(PROMISED_S):
            reader.stop()


class Hanging:
    """A source that nothing ends."""

    live = True

    def __init__(self, freed: threading.Event) -> None:
        """It ends with `freed`."""
        self._freed = freed
        self.asked = threading.Event()

    def pictures(self) -> Iterator[str]:
        """None, ever."""
        self.asked.set()
        self._freed.wait()
        yield from ()

    def close(self) -> None:
        """Do nothing."""


def test_cameras_that_hang_are_waited_for_together() -> None:
    freed = threading.Event()
    sources = {name: Hanging(freed) for name in "abcd"}
    sections = [_section("snapshot", "http://127.0.0.1:9/x", name) for name in sources]
    config = Config.model_validate(
        {
            "agent": {"site": "s", "name": "box", "data_dir": "data"},
            "mqtt": {"host": "127.0.0.1"},
            "harvest": {"sample": True},
            "cameras": [section.model_dump(exclude_none=True) for section in sections],
        }
    )
    cameras = Cameras(config, lambda _: None, lambda section: sources[section.name])
    cameras.begin()
    assert all(source.asked.wait(PATIENCE_S) for source in sources.values())
    with within(PROMISED_S):
        cameras.stop()
    freed.set()
