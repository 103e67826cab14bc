"""A camera that misbehaves, or sends its looker elsewhere, costs a line in time; a picture is whole or none."""

import gzip
import io
import struct
import zlib
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edge_agent.camera.attention import Attention
from edge_agent.camera.http.snapshot import HttpSnapshot
from edge_agent.camera.source import AttentiveSource
from edge_agent.config.sources import SnapshotSource
from kardus.inference.half_decoded import HalfSizePicture
from kardus.inference.part_decoded import whole_of
from kardus.inference.preprocess import decode_picture
from tests.cameras import (
    PASSWORD,
    USER,
    Answer,
    HttpCamera,
    basic,
    chart,
    chart_jpeg,
    digest,
    dripping,
    hanging_up,
    jpeg,
    silent,
)
from tests.dripping import NEVER_DONE, DrippingServer, drips_headers, redirects
from tests.edge_agent.camera.snapshots import ask, send_raw
from tests.patience import stretched, within

ATTENTIONS: dict[Attention, type] = {"moving": Image.Image, "rest": HalfSizePicture, "wanted": Image.Image}


def _bomb() -> bytes:
    """A PNG that says that it is 60,000 pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100))


def _cut_off() -> bytes:
    """Three quarters of a picture, and its end mark, as a camera's broken encoder may leave it."""
    whole = chart_jpeg()
    return whole[: len(whole) * 3 // 4] + b"\xff\xd9"


def test_a_camera_that_sends_us_on_is_followed_and_told_who_looks(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)

    def answer(handler: Any) -> None:
        if handler.path == "/snapshot.jpg":
            handler.send(b"", status=302, Location="/now.jpg?x=1")
        else:
            digest(handler)

    with HttpCamera(answer) as camera:
        pictures = ask(camera, 2, username=USER, password_file=tmp_path / "password")
    assert all(isinstance(picture, Image.Image) for picture in pictures)


def test_another_host_is_not_told_who_looks() -> None:
    with HttpCamera(basic) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        with HttpCamera(lambda handler: handler.send(b"", status=307, Location=elsewhere)) as camera:
            (refused,) = ask(camera, username=USER, login="basic")
        assert isinstance(refused, str)
        assert "401" in refused
        assert not any("Authorization" in request for request in other.requests)


MISBEHAVING: dict[str, tuple[Answer, str]] = {
    "silent": (silent, "it sends nothing"),
    "a byte now and then": (dripping, "it is too slow"),
    "hangs up": (hanging_up, "no picture"),
    "an error": (lambda handler: handler.send(b"", status=500), "it answers 500"),
    "another place": (
        lambda handler: handler.send(b"", status=302, Location="http://127.0.0.1:9/"),
        "Connection refused",
    ),
    "no place": (lambda handler: handler.send(b"", status=302, Location="http://h:99999999/"), "no picture"),
    "a file": (lambda handler: handler.send(b"", status=302, Location="file:///etc/passwd"), "no picture"),
    "cut off, with its end": (lambda handler: handler.send(_cut_off()), "not a whole picture"),
    "packed, damaged": (
        lambda handler: handler.send(gzip.compress(jpeg(3))[:12] + bytes(300), Content_Encoding="gzip"),
        "its answer can't be unpacked",
    ),
    "not packed, and no picture": (
        lambda handler: handler.send(b"no gzip", Content_Encoding="gzip"),
        "not a readable picture",
    ),
    "a head without end": (
        lambda handler: send_raw(handler, b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 100_000),
        "no picture",
    ),
    "in chunks that never come": (
        lambda handler: handler.send(b"", Transfer_Encoding="gzip, chunked"),
        "sends nothing",
    ),
    "packed twice": (
        lambda handler: handler.send(gzip.compress(gzip.compress(jpeg(3))), Content_Encoding="gzip, gzip"),
        "packed more than once (gzip, gzip)",
    ),
    "packed twice, without a word": (
        lambda handler: handler.send(gzip.compress(zlib.compress(jpeg(3)))),
        "packed more than once (gzip, zlib)",
    ),
    "empty lines alone": (lambda handler: handler.send(b"\r\n" * 500_000), "not a readable picture"),
    "a page": (lambda handler: handler.send(b"<html>", "text/html"), "not a readable picture"),
    "nothing": (lambda handler: handler.send(b""), "not a readable picture"),
    "half a picture": (lambda handler: handler.send(jpeg(3)[:300]), "not a readable picture"),
    "a bomb": (lambda handler: handler.send(_bomb()), "60000 x 60000 pixels is too large"),
    "no HTTP": (lambda handler: send_raw(handler, b"\0\1\2\3\r\n\r\n"), "no picture"),
}


WAITED_OUT = {"silent", "a byte now and then", "in chunks that never come"}


@pytest.mark.parametrize("case", MISBEHAVING)
def test_a_camera_that_misbehaves_gives_a_line_in_time_and_is_asked_again(case: str) -> None:
    answer, said = MISBEHAVING[case]
    timeout_s = min(15, stretched(2)) if case in WAITED_OUT else 15
    with HttpCamera(answer) as camera:
        source = HttpSnapshot(SnapshotSource(type="snapshot", url=camera.url, timeout_s=timeout_s))
        pictures = source.pictures()
        with within(timeout_s + 3 if case in WAITED_OUT else 4):
            text = next(pictures)
        assert isinstance(text, str)
        assert said in text
        assert text.startswith(camera.url)
        assert len(text.splitlines()) == 1
        camera.answer = lambda handler: handler.send(jpeg(90))
        assert isinstance(next(pictures), Image.Image)


def _large(*, progressive: bool = False) -> bytes:
    buffer = io.BytesIO()
    chart().resize((960, 720)).save(buffer, "JPEG", quality=90, progressive=progressive)
    return buffer.getvalue()


def test_while_all_rests_half_is_decoded_and_the_whole_is_there_when_it_is_wanted() -> None:
    data = _large()
    with HttpCamera(lambda handler: handler.send(data)) as camera:
        source = HttpSnapshot(SnapshotSource(type="snapshot", url=camera.url))
        assert isinstance(source, AttentiveSource)
        pictures = source.pictures()
        for attention, kind in ATTENTIONS.items():
            source.attention = attention
            given = next(pictures)
            assert isinstance(given, kind)
            assert not isinstance(given, str)
            assert whole_of(given).tobytes() == decode_picture(data, "p").tobytes()


@pytest.mark.parametrize("progressive", [False, True])
def test_a_picture_that_was_cut_off_is_no_picture_by_half_either(*, progressive: bool) -> None:
    whole = _large(progressive=progressive)
    cut = [whole[: len(whole) * share // 8] + b"\xff\xd9" for share in (4, 6, 7)]
    answers = iter([*cut, whole[: len(whole) // 2], whole])
    with HttpCamera(lambda handler: handler.send(next(answers))) as camera:
        source = HttpSnapshot(SnapshotSource(type="snapshot", url=camera.url))
        source.attention = "rest"
        *refused, last = islice(source.pictures(), 5)
    assert all(isinstance(text, str) and "check the address, and what the camera sends" in text for text in refused)
    assert isinstance(last, HalfSizePicture)


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


def test_a_camera_that_sends_its_looker_elsewhere_for_ever_is_given_up() -> None:
    with DrippingServer(redirects) as server:
        text = next(HttpSnapshot(SnapshotSource(type="snapshot", url=server.url())).pictures())
    assert isinstance(text, str)
    assert "it sends us on more than 5 times" in text


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
