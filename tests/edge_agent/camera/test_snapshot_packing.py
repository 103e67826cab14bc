"""What a camera sends packed is unpacked by what it holds."""

import gzip
import zlib
from collections.abc import Callable

import httpx2
import pytest
from PIL import Image

from edge_agent.camera.http.packing import unpacked
from tests.cameras import (
    HttpCamera,
    jpeg,
)
from tests.edge_agent.camera.snapshots import ask, send_raw

PACKED: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "its old name": ("x-gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "deflate without zlib's header": ("deflate", lambda body: zlib.compress(body)[2:-4]),
    "and not": ("gzip, identity", gzip.compress),
    "with a weight": ("GZIP;q=1", gzip.compress),
    "without a word": ("", gzip.compress),
    "with bytes behind it": ("gzip", lambda body: gzip.compress(body) + b"\0\0"),
    "in several members": (
        "gzip",
        lambda body: b"".join(gzip.compress(body[n : n + 99]) for n in range(0, len(body), 99)),
    ),
    "in two members, with bytes behind": (
        "",
        lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:]) + b"\x1fx",
    ),
    "once, called twice": ("gzip, gzip", gzip.compress),
    "once, called by both names": ("gzip, deflate", gzip.compress),
    "twice called, not at all": ("gzip, gzip", bytes),
    "zlib, called gzip": ("gzip", zlib.compress),
    "zlib, without a word": ("", zlib.compress),
    "zlib, called otherwise": ("br", zlib.compress),
    "behind empty lines": ("gzip", lambda body: b"\r\n\r\n" + gzip.compress(body)),
    "behind an empty line, as deflate": ("deflate", lambda body: b"\r\n" + zlib.compress(body)),
    "called gzip alone": ("gzip", bytes),
    "called deflate alone": ("deflate", bytes),
    "called packed in a way that nobody knows": ("none", bytes),
}


@pytest.mark.parametrize("case", PACKED)
def test_an_answer_is_unpacked_by_what_it_holds(case: str) -> None:
    coding, pack = PACKED[case]
    with HttpCamera(lambda handler: handler.send(pack(jpeg(120)), Content_Encoding=coding)) as camera:
        pictures = ask(camera, 2)
    assert all(isinstance(picture, Image.Image) for picture in pictures), pictures


@pytest.mark.parametrize("case", PACKED)
def test_an_answer_is_unpacked_however_it_was_split(case: str) -> None:
    coding, pack = PACKED[case]
    body = pack(jpeg(120))
    answer = httpx2.Response(
        200, headers={"Content-Encoding": coding}, content=(body[n : n + 1] for n in range(len(body)))
    )
    assert b"".join(unpacked(answer)) == jpeg(120)


def test_a_coding_may_be_said_in_two_headers() -> None:
    body = gzip.compress(jpeg(120))
    head = b"HTTP/1.1 200 OK\r\n" + b"Content-Encoding: gzip\r\n" * 2 + b"Content-Length: %d\r\n\r\n" % len(body)
    with HttpCamera(lambda handler: send_raw(handler, head + body)) as camera:
        assert isinstance(ask(camera)[0], Image.Image)


def test_a_packed_stream_is_unpacked_as_it_comes() -> None:
    body = b"--frame\r\n\r\n" + jpeg(120) + b"\r\n--frame\r\n"
    kind = "multipart/x-mixed-replace; boundary=frame"
    with HttpCamera(lambda handler: handler.send(gzip.compress(body), kind, Content_Encoding="gzip")) as camera:
        assert isinstance(ask(camera)[0], Image.Image)
