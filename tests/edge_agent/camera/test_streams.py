"""Live streams: a real RTSP server, MJPEG over HTTP; the newest picture, prompt ends, and a decoder that may die."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_agent.camera.decoding.stream import StreamSource
from edge_agent.camera.source import PictureSource
from edge_agent.cameras import open_camera_source
from edge_agent.config.cameras import CameraSection
from kardus.inference.part_decoded import GivenPicture, whole_of
from kardus.support.errors import ConfigError
from tests.cameras import (
    PASSWORD,
    USER,
    Answer,
    HttpCamera,
    RtspCamera,
    basic,
    chart,
    chart_jpeg,
    command_line,
    decoders,
    digest,
    dripping,
    jpeg,
    mjpeg,
    silent,
)
from tests.edge_agent.camera.test_multipart import OTHERS
from tests.patience import PATIENCE_S, stretched, wait_until, within
from tests.proxies import damaging_link

MULTIPART = "multipart/x-mixed-replace; boundary=frame"


def _open(kind: str, **settings: Any) -> PictureSource:
    location = {"id": "L", "corners": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    source = {"type": kind, "timeout_s": 10, **settings}
    return open_camera_source(CameraSection.model_validate({"name": "c", "source": source, "locations": [location]}))


@contextlib.contextmanager
def _pictures(source: PictureSource) -> Iterator[Iterator[Any]]:
    assert source.live
    try:
        yield source.pictures()
    finally:
        source.close()


def _password(folder: Path) -> dict[str, str]:
    (folder / "password").write_text(PASSWORD + "\n")
    return {"username": USER, "password_file": str(folder / "password")}


def _first_picture(pictures: Iterator[GivenPicture | str]) -> Image.Image:
    """The first one; a camera may need more than one attempt, and on a busy machine many."""
    deadline = time.monotonic() + PATIENCE_S
    while isinstance(found := next(pictures), str):
        assert time.monotonic() < deadline, found
    return whole_of(found)


@pytest.mark.parametrize("codec", ["h264", "h265", "jpeg"])
def test_an_rtsp_stream_gives_pictures(codec: str) -> None:
    with RtspCamera(codec) as camera, _pictures(_open("rtsp", url=camera.url)) as pictures:
        first, second = _first_picture(pictures), next(pictures)
        assert first.size == (320, 240)
        assert first.mode == "RGB"
        assert not isinstance(second, str)
        assert first.tobytes() != whole_of(second).tobytes(), "there is noise: each picture is given once"


def test_an_rtsp_camera_that_asks_who_looks_is_told(tmp_path: Path) -> None:
    with RtspCamera(login=True) as camera:
        with _pictures(_open("rtsp", url=camera.url, **_password(tmp_path))) as pictures:
            assert _first_picture(pictures).size == (320, 240)
        with _pictures(_open("rtsp", url=camera.url, username="stranger")) as pictures:
            refused = next(pictures)
        assert isinstance(refused, str)
        assert refused.startswith(f"{camera.url}: no picture (")
        assert "401" in refused


def test_a_password_stands_in_no_list_of_processes(tmp_path: Path) -> None:
    with RtspCamera(login=True) as camera:
        with _pictures(_open("rtsp", url=camera.url, **_password(tmp_path))) as pictures:
            _first_picture(pictures)
            lines = [command_line(decoder) for decoder in decoders()]
        assert lines
        assert not any(PASSWORD in line for line in lines)


def test_a_password_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"password_file = .*gone"):
        _open("rtsp", url="rtsp://127.0.0.1/x", username="u", password_file=str(tmp_path / "gone"))


def test_a_camera_that_dies_and_comes_back_is_found_again() -> None:
    with RtspCamera() as camera, _pictures(_open("rtsp", url=camera.url)) as pictures:
        _first_picture(pictures)
        camera.kill()
        assert any(isinstance(picture, str) for picture in itertools.islice(pictures, 200))
        camera.start()
        assert _first_picture(pictures).size == (320, 240)


def test_a_camera_that_accepts_and_sends_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"rtsp://127.0.0.1:{listener.getsockname()[1]}/shelf"
        with _pictures(_open("rtsp", url=url, timeout_s=1)) as pictures, within(5):
            assert isinstance(next(pictures), str)


def test_a_stream_that_falls_silent_is_given_up_once_its_time_is_over() -> None:
    """FAULTS 19: not after twice that time, though FFmpeg's parser still has a picture then."""
    timeout_s = min(15, stretched(4))
    with RtspCamera() as camera, _pictures(_open("rtsp", url=camera.url, timeout_s=timeout_s)) as pictures:
        _first_picture(pictures)
        camera.freeze()
        with within(timeout_s + 3):
            said = next(picture for picture in pictures if isinstance(picture, str))
        assert "it sends nothing" in said
        camera.thaw()
        assert _first_picture(pictures).size == (320, 240)


def test_an_absent_camera_says_so() -> None:
    with _pictures(_open("rtsp", url="rtsp://127.0.0.1:9/shelf")) as pictures:
        assert next(pictures) == (
            "rtsp://127.0.0.1:9/shelf: no picture (Connection refused): "
            "check the camera, its address, user name and password"
        )


def test_the_newest_picture_is_given_and_older_ones_are_dropped() -> None:
    begun, brightest = threading.Event(), threading.Event()

    def shades() -> Iterator[int]:
        while not begun.is_set():
            yield 20
        yield from range(24, 220, 4)
        brightest.set()
        while True:
            yield 220

    with HttpCamera(mjpeg(shades(), 0.02)) as camera, _pictures(_open("mjpeg", url=camera.url)) as pictures:
        first = np.asarray(_first_picture(pictures)).mean()
        begun.set()
        assert brightest.wait(PATIENCE_S)  # the pipeline is busy
        time.sleep(stretched(0.3))  # what was sent is being decoded, of which nothing is told here
        later = next(pictures)
        assert isinstance(later, Image.Image)
        assert np.asarray(later).mean() - first > 40


def test_mjpeg_goes_on_and_its_end_is_said() -> None:
    with HttpCamera(mjpeg(iter([30, 120, 210]))) as camera, _pictures(_open("mjpeg", url=camera.url)) as pictures:
        shown = list(itertools.islice(pictures, 4))
        assert isinstance(shown[0], Image.Image)
        assert isinstance(shown[-1], str)


def _part(picture: bytes, head: str = "--frame\r\nContent-Type: image/jpeg") -> bytes:
    return f"{head}\r\n\r\n".encode() + picture + b"\r\n"


def _multipart(body: Callable[[], Iterator[bytes]], kind: str | None = MULTIPART) -> Answer:
    """An answer of what `body` gives, as it comes; then the camera hangs up."""

    def answer(handler: Any) -> None:
        handler.send_response(200)
        for name, value in ({"Content-Type": kind} if kind else {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        for data in body():
            handler.wfile.write(data)
        handler.close_connection = True

    return answer


ODD: dict[str, tuple[str | None, str]] = {
    "image/jpg": (MULTIPART, "--frame\r\nContent-Type: image/jpg"),
    "no part's type": (MULTIPART, "--frame\r\nX-Time: 1"),
    "no type": (None, "--frame\r\nContent-Type: image/jpeg"),
    "a wrong length": (MULTIPART, "--frame\r\nContent-Length: 12"),
    "a boundary without dashes": (MULTIPART, "frame\r\nContent-Type: image/jpeg"),
    "a boundary with more dashes": (
        "multipart/x-mixed-replace; boundary=--frame",
        "----frame\r\nContent-Length: 99999",
    ),
    "a quoted boundary": ('multipart/x-mixed-replace; boundary="frame"', "--frame\r\nContent-Type: image/jpeg"),
    "another type": ("image/jpeg", "--frame\r\nContent-Type: image/jpeg"),
}


@pytest.mark.parametrize("case", ODD)
def test_mjpeg_is_read_however_the_camera_words_it(case: str) -> None:
    kind, head = ODD[case]
    body = [b"welcome\r\n", *(_part(jpeg(shade), head) for shade in (30, 120))]
    with (
        HttpCamera(_multipart(lambda: iter(body), kind)) as camera,
        _pictures(_open("mjpeg", url=camera.url)) as pictures,
    ):
        assert isinstance(next(pictures), GivenPicture)


@pytest.mark.parametrize("form", ["PNG", "WebP", "BMP"])
def test_an_mjpeg_camera_may_send_other_pictures(form: str) -> None:
    body = [_part(OTHERS[form], "--frame\r\nContent-Type: image/x"), b"--frame--\r\n"]
    with HttpCamera(_multipart(lambda: iter(body))) as camera, _pictures(_open("mjpeg", url=camera.url)) as pictures:
        given = next(pictures)
        assert isinstance(given, GivenPicture), given
        assert given.size == chart().size


CUT_OFF: dict[str, bytes] = {
    "in its code": chart_jpeg()[:-300],
    "in its tables": chart_jpeg()[:200],
    "in its code, with its end mark": chart_jpeg()[:-300] + b"\xff\xd9",
}


@pytest.mark.parametrize("case", CUT_OFF)
def test_an_mjpeg_picture_that_was_cut_off_is_a_reason_and_the_connection_goes_on(case: str) -> None:
    shown = threading.Event()

    def body() -> Iterator[bytes]:
        yield _part(CUT_OFF[case]) + b"--frame\r\n"
        shown.wait(PATIENCE_S)
        yield from itertools.repeat(_part(chart_jpeg()), 20)

    with HttpCamera(_multipart(body)) as camera, _pictures(_open("mjpeg", url=camera.url)) as pictures:
        said = next(pictures)
        shown.set()
        assert isinstance(said, str)
        assert said.startswith(f"{camera.url}: no picture (")
        assert "cut off" in said
        assert isinstance(next(pictures), GivenPicture)
        assert len(camera.requests) == 1


def test_an_mjpeg_picture_without_end_is_given_up() -> None:
    def body() -> Iterator[bytes]:
        yield _part(b"\xff\xd8\xff\xe0\0\4ab")
        while True:
            yield b"x" * 1_000_000

    with HttpCamera(_multipart(body)) as camera, _pictures(_open("mjpeg", url=camera.url, timeout_s=15)) as pictures:
        assert "it sends a picture of more than 50000000 bytes" in str(next(pictures))


def test_mjpeg_that_drips_is_given_up_once_its_time_is_over() -> None:
    timeout_s = min(15.0, stretched(3))  # a decoder's start takes a while, too
    with HttpCamera(dripping) as camera, _pictures(_open("mjpeg", url=camera.url, timeout_s=timeout_s)) as pictures:
        began = time.monotonic()
        said = str(next(pictures))
        assert time.monotonic() - began < stretched(timeout_s + 4)
    assert f"no whole picture within {timeout_s:g} s" in said or "it sends nothing" in said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda handler: handler.send(b"", status=404), "it answers 404 Not Found"),
        (
            lambda handler: handler.send(b"<html>", "text/html", Connection="close"),
            "no picture in what it sends (text/html)",
        ),
    ],
)
def test_what_is_no_mjpeg_is_named(answer: Answer, said: str) -> None:
    with HttpCamera(answer) as camera, _pictures(_open("mjpeg", url=camera.url)) as pictures:
        assert said in str(next(pictures))


@pytest.mark.parametrize("answer", [basic, digest])
def test_an_mjpeg_camera_that_asks_who_looks_is_told_in_the_way_it_asks_for(tmp_path: Path, answer: Answer) -> None:
    """Its answer is one picture: what a snapshot camera sends is taken, too."""
    with HttpCamera(answer) as camera:
        with _pictures(_open("mjpeg", url=camera.url, **_password(tmp_path))) as pictures:
            assert isinstance(next(pictures), GivenPicture)
        with _pictures(_open("mjpeg", url=camera.url, username="stranger")) as pictures:
            assert "401" in str(next(pictures))


def test_closing_ends_a_wait_for_a_silent_camera_at_once() -> None:
    with HttpCamera(silent) as camera:
        source = _open("mjpeg", url=camera.url, timeout_s=15)
        answers: list[object] = []
        reading = threading.Thread(target=lambda: answers.extend(source.pictures()))
        reading.start()
        wait_until(lambda: bool(camera.requests))
        with within(2):
            source.close()
            reading.join(PATIENCE_S)
        assert not reading.is_alive()
        assert not list(source.pictures()), "closed is closed"


def test_a_decoder_that_is_killed_costs_one_picture() -> None:
    with RtspCamera() as camera, _pictures(_open("rtsp", url=camera.url)) as pictures:
        _first_picture(pictures)
        (decoder,) = decoders()
        os.kill(decoder, signal.SIGKILL)
        died = next(picture for picture in pictures if isinstance(picture, str))
        assert "its decoder died (exit code -9)" in died
        assert _first_picture(pictures).size == (320, 240)


def test_a_decoder_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    timeout_s = min(15, stretched(1))  # on a busy machine the first picture takes a while, too
    with RtspCamera() as camera, _pictures(_open("rtsp", url=camera.url, timeout_s=timeout_s)) as pictures:
        _first_picture(pictures)
        (decoder,) = decoders()
        os.kill(decoder, signal.SIGSTOP)
        with within(timeout_s + 5):
            hung = next(picture for picture in pictures if isinstance(picture, str))
        assert "it sends nothing" in hung
        assert not Path(f"/proc/{decoder}").exists()


def test_a_damaged_stream_kills_no_agent() -> None:
    """FAULTS 22: whatever comes, there are pictures or texts, and the source goes on."""
    pictures_seen = texts = 0
    with RtspCamera() as camera:
        for seed in range(3):
            with damaging_link(camera.port, seed, 0.002) as port:
                url = f"rtsp://127.0.0.1:{port}/shelf"
                with _pictures(_open("rtsp", url=url, timeout_s=1)) as pictures:
                    for picture in itertools.islice(pictures, 4):
                        pictures_seen += not isinstance(picture, str)
                        texts += isinstance(picture, str)
    assert pictures_seen + texts == 12
    assert texts


def test_a_decoder_ends_with_its_agent() -> None:
    script = (
        "import os, sys\n"
        "from edge_agent.camera.decoding.stream import rtsp_source\n"
        "from edge_agent.config.sources import RtspSource\n"
        "source = rtsp_source(RtspSource(type='rtsp', url=sys.argv[1]))\n"
        "pictures = source.pictures()  # kept: its end would be the decoder's\n"
        "while isinstance(next(pictures), str):\n"
        "    pass\n"
        "print(source._decoder._process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    with RtspCamera() as camera:
        command = [sys.executable, "-c", script, camera.url]
        agent = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=PATIENCE_S)
        decoder = int(agent.stdout)
        wait_until(lambda: "decoding.decoder" not in command_line(decoder))


def test_a_camera_of_this_machine_that_is_not_there_is_named() -> None:
    with _pictures(_open("v4l2", device="/dev/video99", width=640, height=480)) as pictures:
        said = next(pictures)
        assert isinstance(said, str)
        assert said.startswith("/dev/video99: no picture (No such file or directory): plug the camera in")


def test_a_device_s_pictures_come_as_a_stream_s_do() -> None:
    """No camera is plugged in here: FFmpeg's own test picture comes the same way, as a device that is always there."""
    from edge_agent.camera.decoding.protocol import StreamRequest

    source = StreamSource("test", StreamRequest("testsrc=size=64x48:rate=20", "lavfi"), "none")
    with _pictures(source) as pictures:
        assert _first_picture(pictures).size == (64, 48)
