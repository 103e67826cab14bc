"""A snapshot whose answer begins or ends otherwise than its head says: read where the picture in it is whole."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.cameras import PASSWORD, USER, HttpCamera, chart_jpeg, digest, jpeg
from tests.edge_agent.camera.snapshots import ask, send_raw
from tests.edge_agent.camera.test_multipart import OTHERS

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


@pytest.mark.parametrize("step", [1_000_000, 100, 7])
@pytest.mark.parametrize("case", FORMS)
def test_a_whole_picture_is_read_however_its_answer_ends(case: str, step: int) -> None:
    def answer(handler: Any) -> None:
        data = _sent(case, PICTURE)
        for start in range(0, len(data), step):
            handler.wfile.write(data[start : start + step])
        handler.close_connection = True

    with HttpCamera(answer) as camera:
        given = ask(camera, 2, timeout_s=5)
    assert [isinstance(picture, Image.Image) for picture in given] == [True, True], given


@pytest.mark.parametrize("case", FORMS)
def test_a_cut_one_is_told_however_its_answer_ends(case: str) -> None:
    with HttpCamera(lambda handler: send_raw(handler, _sent(case, PICTURE[:-400]))) as camera:
        (given,) = ask(camera, timeout_s=5)
    assert isinstance(given, str)


@pytest.mark.parametrize("form", OTHERS)
def test_a_whole_picture_that_is_no_jpeg_is_read_too(form: str) -> None:
    with HttpCamera(lambda handler: send_raw(handler, _sent("longer by its length", OTHERS[form]))) as camera:
        (given,) = ask(camera, timeout_s=5)
    assert isinstance(given, Image.Image), given


def test_one_that_is_packed_is_read_as_far_as_it_came() -> None:
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 99999\r\n\r\n"
    with HttpCamera(lambda handler: send_raw(handler, head + gzip.compress(PICTURE))) as camera:
        (given,) = ask(camera, timeout_s=5)
    assert isinstance(given, Image.Image), given


def test_a_camera_that_waits_behind_a_whole_picture_is_asked_to_hang_up_from_then_on() -> None:
    """The first look takes as long as a silent camera is waited for."""

    def answer(handler: Any) -> None:
        handler.wfile.write(_sent("longer by its length", PICTURE))
        if handler.headers.get("Connection") != "close":
            handler.camera.stopping.wait()
        handler.close_connection = True

    with HttpCamera(answer) as camera:
        given = ask(camera, 3, timeout_s=2)
    assert all(isinstance(picture, Image.Image) for picture in given), given
    assert [request.get("Connection") for request in camera.requests] == ["keep-alive", "close", "close"]


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
