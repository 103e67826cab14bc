"""A camera asked over HTTP: logins, and a server that does everything wrong."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_agent.camera.snapshot import HttpSnapshot
from edge_agent.config.sources import SnapshotSource
from tests.cameras import (
    PASSWORD,
    USER,
    Answer,
    HttpCamera,
    basic,
    digest,
    dripping,
    endless,
    hanging_up,
    jpeg,
    silent,
)
from tests.dripping import NEVER_DONE, DrippingServer, drips_headers, redirects
from tests.patience import within


def _ask(camera: HttpCamera, times: int = 1, **settings: Any) -> list[Image.Image | str]:
    source = HttpSnapshot(SnapshotSource(type="snapshot", url=camera.url, **{"timeout_s": 1, **settings}))
    assert source.live
    pictures = source.pictures()
    return [next(pictures) for _ in range(times)]


def _bomb() -> bytes:
    """A PNG that says that it is 60,000 pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100))


def test_each_look_is_a_request_of_its_own_for_what_is_there_now() -> None:
    shades = iter([30, 120, 210])
    with HttpCamera(lambda handler: handler.send(jpeg(next(shades)))) as camera:
        shown = _ask(camera, 3)
    assert [round(float(np.mean(np.asarray(picture)))) for picture in shown if not isinstance(picture, str)] == [
        30,
        120,
        210,
    ]
    assert all(not isinstance(picture, str) and picture.size == (64, 48) for picture in shown)


@pytest.mark.parametrize(("answer", "login"), [(basic, "basic"), (digest, "digest")])
def test_a_camera_that_asks_who_looks_is_told(tmp_path: Path, answer: Answer, login: str) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    with HttpCamera(answer) as camera:
        (good,) = _ask(camera, username=USER, password_file=tmp_path / "password", login=login)
        (bad,) = _ask(camera, username=USER, login=login)
        (none,) = _ask(camera)
    assert isinstance(good, Image.Image)
    for refused in (bad, none):
        assert refused == (
            f"{camera.url}: no picture (it answers 401 Unauthorized): "
            "check the camera, its address, user name and password"
        )


MISBEHAVING: dict[str, tuple[Answer, str]] = {
    "silent": (silent, "it sends nothing"),
    "a byte now and then": (dripping, "it is too slow"),
    "without end": (endless, "it sends more than 50000000 bytes"),
    "hangs up": (hanging_up, "no picture"),
    "an error": (lambda handler: handler.send(b"", status=500), "it answers 500"),
    "another place": (lambda handler: handler.send(b"", status=302, Location="http://127.0.0.1:9/"), "it answers 302"),
    "a page": (lambda handler: handler.send(b"<html>", "text/html"), "not a readable picture"),
    "nothing": (lambda handler: handler.send(b""), "not a readable picture"),
    "half a picture": (lambda handler: handler.send(jpeg(3)[:300]), "not a readable picture"),
    "a bomb": (lambda handler: handler.send(_bomb()), "60000 x 60000 pixels is too large"),
    "no HTTP": (lambda handler: _raw(handler, b"\0\1\2\3\r\n\r\n"), "no picture"),
}


@pytest.mark.parametrize("case", MISBEHAVING)
def test_a_camera_that_misbehaves_gives_a_line_in_time_and_is_asked_again(case: str) -> None:
    answer, said = MISBEHAVING[case]
    with HttpCamera(answer) as camera:
        source = HttpSnapshot(SnapshotSource(type="snapshot", url=camera.url, timeout_s=1))
        pictures = source.pictures()
        with within(4):
            text = next(pictures)
        assert isinstance(text, str)
        assert said in text
        assert text.startswith(camera.url)
        assert len(text.splitlines()) == 1
        camera.answer = lambda handler: handler.send(jpeg(90))
        assert isinstance(next(pictures), Image.Image)


@pytest.mark.parametrize("case", NEVER_DONE)
def test_a_camera_that_is_never_done_gives_a_line_in_time(case: str) -> None:
    scheme, behaviour = NEVER_DONE[case]
    with DrippingServer(behaviour) as server:
        source = HttpSnapshot(SnapshotSource(type="snapshot", url=server.url(scheme), timeout_s=0.5))
        with within(3):
            text = next(source.pictures())
        url = server.url(scheme)
    assert text in {
        f"{url}: no picture ({said}): check the camera, its address, user name and password"
        for said in ("it sends nothing", "it is too slow")
    }


def test_a_camera_that_sends_its_looker_elsewhere_for_ever_is_asked_once() -> None:
    with DrippingServer(redirects) as server:
        text = next(HttpSnapshot(SnapshotSource(type="snapshot", url=server.url())).pictures())
        assert server.asked.acquire(blocking=False)
        assert not server.asked.acquire(blocking=False)
    assert isinstance(text, str)
    assert "it answers 307" in text


def test_closing_ends_the_wait_for_a_picture() -> None:
    with DrippingServer(drips_headers) as server:
        source = HttpSnapshot(SnapshotSource(type="snapshot", url=server.url(), timeout_s=15))
        server.once_asked(source.close)
        with within(3):
            assert isinstance(next(source.pictures()), str)


@pytest.mark.parametrize(("host", "said"), [("127.0.0.1:9", "Connection refused"), ("a..b", "label")])
def test_an_absent_camera_says_so(host: str, said: str) -> None:
    source = HttpSnapshot(SnapshotSource(type="snapshot", url=f"http://{host}/x.jpg", timeout_s=1))
    text = next(source.pictures())
    assert isinstance(text, str)
    assert said in text


def _raw(handler: Any, data: bytes) -> None:
    handler.wfile.write(data)
    handler.close_connection = True
