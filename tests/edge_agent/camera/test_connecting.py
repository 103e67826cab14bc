"""Live streams connect before a picture is asked for: what is given then is of then, and nothing is left behind."""

import contextlib
import errno
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest

from edge_agent.camera.decoding import stream
from edge_agent.camera.reader import CameraReader, ReaderItem
from edge_agent.camera.source import Connecting, PictureSource, RestingSource
from edge_agent.records import SignalLost
from kardus.inference.part_decoded import whole_of
from tests.cameras import HttpCamera, RtspCamera, decoders, mjpeg
from tests.edge_agent.camera.test_streams import _first_picture, _open, _pictures
from tests.patience import PATIENCE_S, wait_until


@pytest.mark.parametrize("kind", ["rtsp", "mjpeg"])
def test_a_camera_connects_before_it_is_asked_for_a_picture_and_is_then_asked_by_the_same_process(kind: str) -> None:
    with _serving(kind) as url:
        source = _open(kind, url=url)
        assert isinstance(source, Connecting)
        source.connect()
        source.connect()
        begun = decoders()
        assert len(begun) == 1
        with _pictures(source) as pictures:
            _first_picture(pictures)
            next(pictures)
            assert decoders() == begun
            assert _rests(source) is (kind == "mjpeg"), "each of its pictures stands for itself"
        assert _rests(source) is None
    wait_until(lambda: not decoders())


def _rests(source: PictureSource) -> bool | None:
    assert isinstance(source, RestingSource)
    return source.rests


@contextlib.contextmanager
def _serving(kind: str) -> Iterator[str]:
    camera = RtspCamera() if kind == "rtsp" else HttpCamera(mjpeg(itertools.count(60)))
    with camera:
        yield camera.url


def test_a_camera_that_connects_and_is_never_asked_leaves_no_process() -> None:
    with RtspCamera() as camera:
        source = _open("rtsp", url=camera.url)
        assert isinstance(source, Connecting)
        source.connect()
        source.close()
        assert not decoders()
        source.connect()
        assert not decoders(), "it is closed"
        assert not list(source.pictures())


def test_of_a_camera_that_connected_long_ago_the_picture_of_now_is_given() -> None:
    shown = itertools.count(40)
    with HttpCamera(mjpeg(shown)) as camera:
        source = _open("mjpeg", url=camera.url)
        assert isinstance(source, Connecting)
        source.connect()
        wait_until(lambda: next(shown) > 60)
        with _pictures(source) as pictures:
            assert np.asarray(whole_of(_first_picture(pictures))).mean() > 55


def test_what_failed_before_a_picture_was_asked_for_is_tried_once_more_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "AT_ONCE_S", PATIENCE_S)
    well, asked = mjpeg(itertools.count(60)), threading.Event()

    def refuse(handler: Any) -> None:
        handler.send(b"", status=503)
        asked.set()

    with HttpCamera(refuse) as camera:
        source = _open("mjpeg", url=camera.url)
        assert isinstance(source, Connecting)
        source.connect()
        assert asked.wait(PATIENCE_S)
        camera.answer = well
        with _pictures(source) as pictures:
            assert not isinstance(next(pictures), str)


def test_where_no_process_can_be_begun_the_agent_goes_on_and_leaves_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, "no memory")

    taken: SimpleQueue[ReaderItem] = SimpleQueue()
    source = _open("rtsp", url="rtsp://127.0.0.1:9/x")
    monkeypatch.setattr("edge_agent.camera.decoding.stream.subprocess.Popen", fail)
    before = len(list(Path("/proc/self/fd").iterdir()))
    reader = CameraReader("c", source, 1.0, taken.put)
    reader.connect()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    reader.start()
    assert isinstance(taken.get(timeout=PATIENCE_S), SignalLost)
    reader.stop()


def test_a_camera_that_could_not_be_reached_while_all_else_started_is_found_afterwards() -> None:
    with RtspCamera() as camera:
        camera.kill()
        source = _open("rtsp", url=camera.url)
        assert isinstance(source, Connecting)
        source.connect()
        with _pictures(source) as pictures:
            assert isinstance(next(pictures), str)
            camera.start()
            assert _first_picture(pictures).size == (320, 240)
