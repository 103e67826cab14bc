"""A camera asked over HTTP: logins, and a server that does everything wrong."""

import gzip
import itertools
import time
import zlib
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_agent.camera.http.snapshot import HttpSnapshot
from edge_agent.config.sources import SnapshotSource
from kardus.inference.photo_files import READ_FORMATS
from tests.cameras import (
    PASSWORD,
    REALM,
    USER,
    Answer,
    HttpCamera,
    basic,
    challenging,
    digest,
    digest_challenge,
    endless,
    jpeg,
    mjpeg,
)
from tests.edge_agent.camera.snapshots import LONG_S
from tests.edge_agent.camera.snapshots import ask as _ask
from tests.edge_agent.camera.snapshots import send_raw as _raw


def _packed(handler: Any, body: bytes, kind: str = "gzip") -> None:
    handler.send(gzip.compress(body) if kind.endswith("gzip") else zlib.compress(body), Content_Encoding=kind)


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


CHALLENGES: dict[str, list[str]] = {
    "an unknown algorithm first": [digest_challenge("SHA3-256"), digest_challenge("MD5")],
    "joined in one": [f"Basic realm={REALM!r}, {digest_challenge('SHA3-256')}, {digest_challenge('MD5')}"],
    "joined, the known first": [f'{digest_challenge("MD5")}, Negotiate abc==, Basic realm="{REALM}"'],
    "auth-int beside": [digest_challenge("MD5").replace('qop="auth"', 'qop="auth-int,auth"')],
    "without quotes": [digest_challenge("MD5").replace('"', "").replace("qop=auth", "qop=auth,auth-int")],
    "without qop": [digest_challenge("MD5").replace(', qop="auth"', "")],
    "semicolons": [digest_challenge("MD5").replace(",", ";")],
    "blanks alone between": [digest_challenge("MD5").replace(",", "")],
    "an empty algorithm": [digest_challenge("MD5").replace("algorithm=MD5", "algorithm=")],
    "an empty algorithm in quotes": [digest_challenge("MD5").replace("algorithm=MD5", 'algorithm=""')],
    "a colon behind the scheme": [digest_challenge("MD5").replace("Digest ", "Digest: ")],
    "single quotes": [digest_challenge("MD5").replace('"', "'")],
    "the last quote missing": [digest_challenge("MD5")[:-1]],
    "parameters without a value": [digest_challenge("MD5") + ", stale, domain="],
    "small letters": [digest_challenge("MD5").replace("Digest", "digest").replace("MD5", "md5")],
    "SHA-256": [digest_challenge("SHA-256")],
    "SHA-512-256": [digest_challenge("SHA-512-256")],
    "malformed ones before": ["Digest", "Digest realm", "Digest nonce=,,", "=", digest_challenge("MD5")],
}


@pytest.mark.parametrize("case", CHALLENGES)
def test_a_challenge_that_can_be_answered_is_found_among_others(tmp_path: Path, case: str) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    with HttpCamera(challenging(CHALLENGES[case])) as camera:
        first, second = _ask(camera, 2, username=USER, password_file=tmp_path / "password")
        assert isinstance(first, Image.Image), first
        assert isinstance(second, Image.Image), second
        assert len(camera.requests) == 3, "the second look answers without being asked"


@pytest.mark.parametrize(
    "challenge",
    ['Digest realm="a", nonce="n", qop="auth-int"', "Digest", "Digest realm", "", 'Basic realm="a"', "\u00e9"],
)
def test_a_challenge_that_cannot_be_answered_is_a_reason_and_the_password_stays_here(challenge: str) -> None:
    with HttpCamera(challenging([challenge])) as camera:
        (refused,) = _ask(camera, username=USER)
        assert isinstance(refused, str)
        assert "401" in refused
        assert not any("Authorization" in request for request in camera.requests)


def test_a_nonce_that_is_too_old_at_once_is_answered_once_more(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    refusals = itertools.count(1)

    def answer(handler: Any) -> None:
        if "Authorization" in handler.headers and next(refusals) == 1:
            handler.send(b"", status=401, WWW_Authenticate=digest_challenge("MD5").replace("n1", "n0") + ", stale=TRUE")
        elif "Authorization" in handler.headers and 'nonce="n0"' not in handler.headers["Authorization"]:
            handler.send(b"", status=401)
        else:
            challenging([digest_challenge("MD5").replace("n1", "n9")], "n0")(handler)

    with HttpCamera(answer) as camera:
        pictures = _ask(camera, 2, username=USER, password_file=tmp_path / "password")
        assert all(isinstance(picture, Image.Image) for picture in pictures), pictures
        assert len(camera.requests) == 4


def test_a_password_that_is_wrong_is_not_sent_again(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("another")
    with HttpCamera(digest) as camera:
        (refused,) = _ask(camera, username=USER, password_file=tmp_path / "password")
        assert "it answers 401 Unauthorized)" in str(refused)
        assert sum("Authorization" in request for request in camera.requests) == 1, "cameras lock who tries too often"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["NTLM", 'Bearer realm="x"'], "asks for no login that is answered (ntlm, bearer)"),
        (['Basic realm="x"'], 'asks for no login that is answered (basic): allow it by login = "basic"'),
        ([digest_challenge("SHA3-256")], "asks for no login that is answered (digest SHA3-256)"),
        ([], "asks for no login that is answered (none)"),
    ],
)
def test_a_login_that_is_not_answered_is_named(asked: list[str], said: str) -> None:
    with HttpCamera(challenging(asked)) as camera:
        assert said in str(_ask(camera, username=USER)[0])


def test_a_snapshot_that_comes_as_a_stream_is_its_first_picture() -> None:
    with HttpCamera(mjpeg(itertools.repeat(120))) as camera:
        first, second = _ask(camera, 2)
    assert isinstance(first, Image.Image)
    assert isinstance(second, Image.Image)


@pytest.mark.parametrize("kind", ["image/jpeg", "", "text/plain", "application/octet-stream"])
@pytest.mark.parametrize("step", [1, 10_000])
def test_a_stream_that_is_called_otherwise_is_its_first_picture_though_it_never_ends(kind: str, step: int) -> None:
    data = b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg(120) + b"\r\n--frame\r\n"

    def answer(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n" % kind.encode())
        for start in range(0, len(data), step):
            handler.wfile.write(data[start : start + step])
        handler.camera.stopping.wait()

    with HttpCamera(answer) as camera:
        assert isinstance(_ask(camera)[0], Image.Image)


@pytest.mark.parametrize(
    "before",
    [
        b"Content-Type: image/jpeg\r\n\r\n",
        b"HTTP/1.0 200 OK\nServer: cam\n\n",
        b"--x\r\n\r\n",
        b"content-length : 9\n\n",
    ],
)
def test_headers_that_a_camera_s_program_has_sent_as_its_answer_are_passed_over(before: bytes) -> None:
    with HttpCamera(lambda handler: handler.send(before + jpeg(120))) as camera:
        assert isinstance(_ask(camera)[0], Image.Image)


def test_a_page_in_place_of_a_picture_is_named() -> None:
    with HttpCamera(lambda handler: handler.send(b"<html>who: are you?</html>", "text/html")) as camera:
        assert "not a readable picture" in str(_ask(camera)[0])


def test_a_stream_without_a_picture_is_named() -> None:
    kind = "multipart/x-mixed-replace; boundary=x"
    with HttpCamera(lambda handler: handler.send(b"--x\r\n\r\nsorry\r\n--x--", kind)) as camera:
        assert "no picture in what it sends (multipart" in str(_ask(camera)[0])


@pytest.mark.parametrize("body", [b"Error: busy", b"HTTP/1.0 503 Busy\r\n\r\n", b"--x\r\n\r\nno"])
@pytest.mark.parametrize("kind", ["text/plain", "image/jpeg", ""])
def test_lines_in_place_of_a_picture_are_named_with_what_is_read(body: bytes, kind: str) -> None:
    with HttpCamera(lambda handler: handler.send(body, kind)) as camera:
        said = str(_ask(camera)[0])
    assert f"not a readable picture ({READ_FORMATS})" in said
    assert f"no picture in what it sends ({kind or 'without a type'})" in said


def test_an_empty_line_before_the_picture_is_none_of_it() -> None:
    with HttpCamera(lambda handler: handler.send(b"\r\n" + jpeg(120))) as camera:
        assert isinstance(_ask(camera)[0], Image.Image)


def test_what_is_no_http_is_cited_in_short() -> None:
    with HttpCamera(lambda handler: _raw(handler, jpeg(120, 600, 600) + b"\r\n\r\n")) as camera:
        said = str(_ask(camera)[0])
    assert len(said) < 500
    assert said.isprintable()


HEADS: dict[str, bytes] = {
    "a space before the colon": b"Content-Type : image/jpeg",
    "a line without a colon": b"hello",
    "a name with a space": b"My Camera: 1",
    "no name": b": 1",
    "a character that nobody sees": b"X-Name: a\0b",
    "not packed, in so many words": b"Transfer-Encoding: identity",
    "a line that goes on": b"X-Name: a\r\n b: c",
    "letters of another alphabet": "X-Name: K\u00e4lte".encode("latin-1"),
}


@pytest.mark.parametrize("case", HEADS)
def test_a_header_that_means_nothing_costs_no_picture(case: str) -> None:
    body = jpeg(120)
    head = b"\r\n".join([b"HTTP/1.1 200 OK", HEADS[case], b"Content-Length: %d" % len(body), b"", b""])

    def answer(handler: Any) -> None:
        handler.wfile.write(head + body)

    with HttpCamera(answer) as camera:
        pictures = _ask(camera, 3)
        assert all(isinstance(picture, Image.Image) for picture in pictures), pictures
        assert len(camera.requests) == 3


BEHIND: dict[str, bytes] = {
    "an empty line": b"\r\n",
    "empty lines": b"\n\r\n\n",
    "what nobody knows": b"garbage",
    "another answer": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold",
}


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("case", BEHIND)
def test_what_a_camera_sends_behind_its_answer_costs_no_look(case: str, *, is_chunked: bool) -> None:
    """It keeps the connection open, and the next answer would begin with that."""
    shades = itertools.count(20)

    def answer(handler: Any) -> None:
        body = jpeg(next(shades))
        said, sent = (
            (b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            if is_chunked
            else (b"Content-Length: %d" % len(body), body)
        )
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + said + b"\r\n\r\n" + sent + BEHIND[case])

    with HttpCamera(answer) as camera:
        pictures = _ask(camera, 5)
        assert all(isinstance(picture, Image.Image) for picture in pictures), pictures
        seen = [round(float(np.mean(np.asarray(picture)))) for picture in pictures]
        assert seen == sorted(set(seen)), "each look is a picture of its own, made when it was asked for"
        assert len(camera.requests) <= 6, "asked twice but once"


@pytest.mark.parametrize("idle_s", [0.0, 0.3])
def test_a_camera_that_hangs_up_though_it_said_that_it_would_not_costs_no_look(idle_s: float) -> None:
    def answer(handler: Any) -> None:
        body = jpeg(120)
        handler.wfile.write(
            b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        handler.close_connection = True

    with HttpCamera(answer) as camera:
        source = HttpSnapshot(SnapshotSource(type="snapshot", url=camera.url, timeout_s=LONG_S))
        for picture in islice(source.pictures(), 4):
            assert not isinstance(picture, str), picture
            time.sleep(idle_s)


ODD_ANSWERS: dict[str, bytes] = {
    "an empty line before": b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    "lines without returns": b"HTTP/1.0 200 OK\nContent-Type : image/jpeg\n\n",
    "go on, it says first": b"HTTP/1.1 100 Continue\r\nhello\r\n\r\nHTTP/1.1 200 OK\r\nhello\r\n\r\n",
    "two blanks before the number": b"HTTP/1.1  200 OK\r\n\r\n",
    "a tab before the number": b"HTTP/1.1\t200\r\n\r\n",
    "small letters": b"http/1.1 200 ok\r\n\r\n",
    "a reason that nobody can read": b"HTTP/1.1 200 O\x01K\r\n\r\n",
    "an empty length": b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
    "no length, in a word": b"HTTP/1.1 200 OK\r\nContent-Length: unknown\r\n\r\n",
    "a length below nothing": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "a length with a sign": b"HTTP/1.1 200 OK\r\nContent-Length: +%d\r\n\r\n",
    "a length in quotes": b'HTTP/1.1 200 OK\r\nContent-Length: "%d"\r\n\r\n',
    "a length with its unit": b"HTTP/1.1 200 OK\r\nContent-Length: %d bytes\r\n\r\n",
    "a length twice in one": b"HTTP/1.1 200 OK\r\nContent-Length: %d, %d\r\n\r\n",
    "a transfer called none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: none\r\n\r\n",
    "a transfer called binary": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: binary\r\nContent-Length: %d\r\n\r\n",
    "no minor version": b"HTTP/1 200 OK\r\n\r\n",
    "no version": b"HTTP 200 OK\r\n\r\n",
    "a version before the first": b"HTTP/0.9 200 OK\r\n\r\n",
    "a version that is written otherwise": b"HTTP/2 200\r\nContent-Length: %d\r\n\r\n",
    "SHOUTcast's": b"ICY 200 OK\r\n\r\n",
    "no blank behind the number": b"HTTP/1.1 200OK\r\n\r\n",
    "go on, without a minor version": b"HTTP/1 100 Continue\r\n\r\nHTTP/1 200 OK\r\n\r\n",
    "a packed transfer that isn't": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "chunks, of an old version": b"ICY 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n",
    "chunks, called packed": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n",
    "chunks, in two headers": b"HTTP/1.1 200 OK\r\n" + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n%x\r\n",
    "chunks, twice in one": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, Chunked\r\n\r\n%x\r\n",
    "chunks, in quotes": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: "chunked"\r\n\r\n%x\r\n',
    "chunks, with a weight": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;q=1\r\n\r\n%x\r\n",
    "chunks, and not": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity, chunked\r\n\r\n%x\r\n",
}


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("case", ODD_ANSWERS)
def test_an_odd_answer_is_read_however_it_was_split(case: str, step: int) -> None:
    body, head = jpeg(120), ODD_ANSWERS[case]
    sizes = (len(body),) * (head.count(b"%d") + head.count(b"%x"))
    data = head % sizes + body + b"\r\n0\r\n\r\n" * head.count(b"%x")

    def answer(handler: Any) -> None:
        for start in range(0, len(data), step):
            handler.wfile.write(data[start : start + step])
        handler.close_connection = True

    with HttpCamera(answer) as camera:
        assert isinstance(_ask(camera)[0], Image.Image)


CHUNKS: dict[str, tuple[bytes, bytes]] = {
    "lines without returns": (b"%x\n%s\n", b"0\n\n"),
    "no line behind the data": (b"%x\r\n%s", b"0\r\n\r\n"),
    "an empty line before": (b"\r\n%x\r\n%s\r\n", b"\r\n0\r\n\r\n"),
    "blanks around the size": (b" %x \t\r\n%s\r\n", b" 0 \r\n\r\n"),
    "as in C": (b"0x%X\n%s\n", b"0x0\n\n"),
    "noughts before": (b"%08x\r\n%s\r\n", b"00000000\r\n\r\n"),
    "a word behind the size": (b"%x ; name=value\n%s\n", b"0;end\n\n"),
    "headers behind the last": (b"%x\n%s\n", b"0\nX-Sum: 1\nno header\n\n"),
}


def _in_chunks(body: bytes, form: bytes, end: bytes, size: int = 100) -> bytes:
    parts = (body[start : start + size] for start in range(0, len(body), size))
    return b"".join(form % (len(part), part) for part in parts) + end


@pytest.mark.parametrize("packing", [bytes, gzip.compress])
@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize("case", CHUNKS)
def test_chunks_are_told_apart_however_their_lines_end(case: str, step: int, packing: Callable[[bytes], bytes]) -> None:
    """The connection is kept, and asked for each look once."""
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + _in_chunks(packing(jpeg(120)), *CHUNKS[case])

    def answer(handler: Any) -> None:
        for start in range(0, len(data), step):
            handler.wfile.write(data[start : start + step])

    with HttpCamera(answer) as camera:
        pictures = _ask(camera, 2)
        assert all(isinstance(picture, Image.Image) for picture in pictures), pictures
        assert [request["Connection"] for request in camera.requests] == ["keep-alive"] * 2


@pytest.mark.parametrize("answer", [endless, lambda handler: _packed(handler, bytes(60_000_000))])
def test_an_answer_without_end_and_a_packed_bomb_are_not_taken_whole(answer: Answer) -> None:
    with HttpCamera(answer) as camera:
        (refused,) = _ask(camera)
    assert isinstance(refused, str)
    assert "it sends more than 50000000 bytes" in refused
