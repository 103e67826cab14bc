"""A snapshot whose answer begins or ends otherwise than its head says: read where the picture in it is whole."""

import gzip
import io
import time
from pathlib import Path
from typing import Any

import h11
import pytest
from PIL import Image

from edge_agent.camera.http.header_repair import _Chunks
from tests.cameras import PASSWORD, USER, HttpCamera, chart_jpeg, digest, jpeg
from tests.edge_agent.camera.snapshots import LONG_S, ask, send_raw
from tests.edge_agent.camera.test_multipart import OTHERS
from tests.patience import stretched

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
PICTURE = chart_jpeg()
FORMS: dict[str, bytes] = {
    "longer by its length": HEAD + b"Content-Length: 99999\r\n\r\n%s",
    "of two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 99999\r\n\r\n%s",
    "of two lengths in one": HEAD + b"Content-Length: 5, 99999\r\n\r\n%s",
    "without a last chunk": CHUNKED + b"FFFF\r\n%s",
    "with nonsense for one": CHUNKED + b"SIZE\r\n%s\r\nstop\r\n",
    "in chunks only by its head": CHUNKED + b"%s",
    "in chunks only by its head, with a length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n%s",
}


def _sent(case: str, body: bytes) -> bytes:
    form = FORMS[case].replace(b"SIZE", b"%x" % len(body)).replace(b"FFFF", b"%x" % len(body))
    return form.replace(b"%s", body)


def _unchunked(body: bytes, step: int) -> bytes:
    """A body that is in chunks only by its head, as an HTTP library reads what becomes of it."""
    chunks, reader = _Chunks(), h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="GET", target="/", headers=[("Host", "camera")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(CHUNKED)
    assert isinstance(reader.next_event(), h11.Response)
    found = b""
    for part in [*(chunks.feed(body[start : start + step]) for start in range(0, len(body), step)), chunks.end()]:
        if part:
            reader.receive_data(part)
        while isinstance(event := reader.next_event(), h11.Data):
            found += event.data
    assert isinstance(event, h11.EndOfMessage)
    return found


@pytest.mark.parametrize("step", [1_000_000, 100, 7])
@pytest.mark.parametrize("case", FORMS)
def test_a_whole_picture_is_read_however_its_answer_ends(case: str, step: int) -> None:
    def answer(handler: Any) -> None:
        data = _sent(case, PICTURE)
        for start in range(0, len(data), step):
            handler.wfile.write(data[start : start + step])
        handler.close_connection = True

    with HttpCamera(answer) as camera:
        given = ask(camera, 2)
    assert [isinstance(picture, Image.Image) for picture in given] == [True, True], given


@pytest.mark.parametrize("case", FORMS)
def test_a_cut_one_is_told_however_its_answer_ends(case: str) -> None:
    with HttpCamera(lambda handler: send_raw(handler, _sent(case, PICTURE[:-400]))) as camera:
        (given,) = ask(camera)
    assert isinstance(given, str)


@pytest.mark.parametrize("form", OTHERS)
def test_a_whole_picture_that_is_no_jpeg_is_read_too(form: str) -> None:
    with HttpCamera(lambda handler: send_raw(handler, _sent("longer by its length", OTHERS[form]))) as camera:
        (given,) = ask(camera)
    assert isinstance(given, Image.Image), given


def _bmp(shade: int, size: tuple[int, int]) -> bytes:
    """One in which no byte is a line's end."""
    bmp = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(bmp, "BMP")
    assert b"\n" not in bmp.getvalue()
    return bmp.getvalue()


@pytest.mark.parametrize("step", [1_000_000, 1000, 1])
@pytest.mark.parametrize("before", [b"", b"\r\n", b"\n\r\n"])
@pytest.mark.parametrize("picture", [PICTURE, *OTHERS.values(), _bmp(200, (32, 24))])
def test_a_body_in_chunks_only_by_its_head_is_read_whatever_it_is(picture: bytes, before: bytes, step: int) -> None:
    assert _unchunked(before + picture, step) == picture


@pytest.mark.parametrize("body", [_bmp(200, (320, 240)), b"bad", b"0xBAD; " * 20_000, b"<html>"])
def test_one_without_a_line_s_end_is_given_as_it_is(body: bytes) -> None:
    assert _unchunked(body, 1000) == body


def test_a_picture_in_chunks_only_by_its_head_need_not_wait_for_the_camera_to_hang_up() -> None:
    def answer(handler: Any) -> None:
        handler.wfile.write(CHUNKED + _bmp(200, (320, 240)))
        handler.camera.stopping.wait()

    with HttpCamera(answer) as camera:  # a machine that hasn't read it within a second has in the longest time
        looks = (ask(camera, timeout_s=timeout_s)[0] for timeout_s in (1, LONG_S))
        assert any(isinstance(given, Image.Image) for given in looks)


def test_one_that_is_packed_is_read_as_far_as_it_came() -> None:
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 99999\r\n\r\n"
    with HttpCamera(lambda handler: send_raw(handler, head + gzip.compress(PICTURE))) as camera:
        (given,) = ask(camera)
    assert isinstance(given, Image.Image), given


@pytest.mark.parametrize("within_s", [0.0, 0.5])
def test_a_camera_that_waits_behind_a_whole_picture_is_asked_to_hang_up_from_then_on(within_s: float) -> None:
    """The first look takes as long as a silent camera is waited for, or a slow one: silence begins with its last byte.

    Args:
        within_s: how long it waits within the picture.
    """

    def answer(handler: Any) -> None:
        data = _sent("longer by its length", PICTURE)
        handler.wfile.write(data[:-500])
        time.sleep(within_s)
        handler.wfile.write(data[-500:])
        if handler.headers.get("Connection") != "close":
            handler.camera.stopping.wait()
        handler.close_connection = True

    with HttpCamera(answer) as camera:
        given = ask(camera, 3, timeout_s=min(LONG_S, stretched(2)))
    assert all(isinstance(picture, Image.Image) for picture in given), given
    assert [request.get("Connection") for request in camera.requests] == ["keep-alive", "close", "close"]


def test_a_camera_that_waits_behind_half_a_picture_is_too_slow() -> None:
    def answer(handler: Any) -> None:
        handler.wfile.write(_sent("longer by its length", PICTURE[:500]))
        time.sleep(0.3)
        handler.wfile.write(PICTURE[500:-500])
        handler.camera.stopping.wait()

    with HttpCamera(answer) as camera:
        (given,) = ask(camera, timeout_s=1)
    assert "it is too slow" in str(given)


def _cut_tiff() -> bytes:
    """Half of one, with a preview."""
    tiff = io.BytesIO()
    Image.open(io.BytesIO(PICTURE)).save(tiff, "TIFF")
    whole = tiff.getvalue()
    return whole[:8] + jpeg(30, 16, 16) + whole[8 : len(whole) // 2]


@pytest.mark.parametrize(
    "body", [_cut_tiff(), b"<html>" + jpeg(30, 16, 16), OTHERS["PNG with a JPEG in it"][:-400], PICTURE[:-400]]
)
@pytest.mark.parametrize("before", [b"", b"\r\n"])
def test_a_picture_within_what_is_cut_off_is_not_the_camera_s(before: bytes, body: bytes) -> None:
    with HttpCamera(lambda handler: send_raw(handler, _sent("longer by its length", before + body))) as camera:
        (given,) = ask(camera)
    assert "received" in str(given)


@pytest.mark.parametrize("before", [b"", b"\r\n", b"\xef\xbb\xbf\r\n"])
def test_a_cut_answer_may_have_what_says_nothing_before_its_picture(before: bytes) -> None:
    with HttpCamera(lambda handler: send_raw(handler, _sent("longer by its length", before + PICTURE))) as camera:
        (given,) = ask(camera)
    assert isinstance(given, Image.Image), given


@pytest.mark.parametrize("begins", [b"\0\0\0\x1cftypheic", b"\0\0\0\x0cjP  "])
def test_an_empty_line_is_passed_over_before_what_begins_with_noughts_too(begins: bytes) -> None:
    """It is told by its own bytes what that is, and read where a reader of it is installed."""
    with HttpCamera(lambda handler: handler.send(b"\r\n" + begins + bytes(50))) as camera:
        (given,) = ask(camera)
    assert ("but HEIC" if b"heic" in begins else "but JPEG 2000") in str(given)


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\0\0\0\0", b" \n", b"\r\n\r\n", b"\xef\xbb\xbf\r\n"])
@pytest.mark.parametrize("picture", [jpeg(120), OTHERS["PNG"], OTHERS["BMP"]])
def test_what_says_nothing_before_a_picture_is_passed_over(before: bytes, picture: bytes) -> None:
    with HttpCamera(lambda handler: handler.send(before + picture)) as camera:
        (given,) = ask(camera)
    assert isinstance(given, Image.Image), given


@pytest.mark.parametrize("status", [201, 202, 203, 206, 226])
def test_a_picture_is_read_whatever_success_it_comes_with(status: int) -> None:
    with HttpCamera(lambda handler: handler.send(jpeg(120), status=status)) as camera:
        (given,) = ask(camera)
    assert isinstance(given, Image.Image), given


@pytest.mark.parametrize("status", [204, 205, 300, 302, 404, 503])
def test_of_another_status_it_is_said(status: int) -> None:
    with HttpCamera(lambda handler: handler.send(b"" if status < 300 else jpeg(120), status=status)) as camera:
        (given,) = ask(camera)
    assert f"it answers {status} " in str(given)


def test_a_camera_that_asks_for_a_digest_where_basic_is_allowed_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    with HttpCamera(digest) as camera:
        (given,) = ask(camera, username=USER, password_file=tmp_path / "password", login="basic")
    assert 'asks for no login that is answered (digest MD5): allow it by login = "digest"' in str(given)
