"""Digest as cameras really ask for it: what they call themselves is hashed and given back in their own bytes."""

import hashlib
import re
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
import pytest

from edge_agent.camera.http.login import Challenge, challenges
from edge_agent.camera.http.snapshot import HttpSnapshot
from edge_agent.config.sources import SnapshotSource
from tests.cameras import PASSWORD, USER, HttpCamera, jpeg
from tests.edge_agent.camera.snapshots import LONG_S
from tests.patience import within

REALMS: dict[str, tuple[bytes, bytes, bytes]] = {
    "plain": (b'"Camera"', b"Camera", b'"Camera"'),
    "UTF-8": ('"攝影機"'.encode(), "攝影機".encode(), '"攝影機"'.encode()),
    "Latin-1": (b'"Kam\xe9ra"', b"Kam\xe9ra", b'"Kam\xe9ra"'),
    "GBK": (b'"\xc9\xe3\xcf\xf1\xbb\xfa"', b"\xc9\xe3\xcf\xf1\xbb\xfa", b'"\xc9\xe3\xcf\xf1\xbb\xfa"'),
    "a domain, its backslash alone": (b'"CORP\\cam"', b"CORP\\cam", b'"CORP\\cam"'),
    "a backslash as it ought to be": (b'"CORP\\\\cam"', b"CORP\\cam", b'"CORP\\\\cam"'),
    "a quote": (b'"the \\"good\\" one"', b'the "good" one', b'"the \\"good\\" one"'),
    "blanks without quotes": (b"IP Camera(C1)", b"IP Camera(C1)", b'"IP Camera(C1)"'),
    "blanks without quotes, Latin-1": (b"Kam\xe9ra 1", b"Kam\xe9ra 1", b'"Kam\xe9ra 1"'),
    "a quote inside single ones": (b"'12\" rack'", b'12" rack', b'"12\\" rack"'),
    "a comma": (b'"a, nonce=b"', b"a, nonce=b", b'"a, nonce=b"'),
    "none": (b'""', b"", b'""'),
}
"""As the camera writes it, as it is hashed, and as it has to be given back."""


def _hashed(*parts: bytes) -> bytes:
    return hashlib.md5(b":".join(parts), usedforsecurity=False).hexdigest().encode()


def _is_right(given: bytes, path: str, hashed: bytes, sent: bytes) -> bool:
    response, nc, cnonce = (re.search(rb"\b%s=\"?(\w+)" % name, given) for name in (b"response", b"nc", b"cnonce"))
    if not (response and nc and cnonce and b"realm=" + sent + b", nonce" in given):
        return False
    secret, request = _hashed(USER.encode(), hashed, PASSWORD.encode()), _hashed(b"GET", path.encode())
    return response[1] == _hashed(secret, b"n1", nc[1], cnonce[1], b"auth", request)


@pytest.mark.parametrize("order", [b"realm=%s, nonce=%s, qop=%s", b"realm=%s nonce=%s qop=%s"])
@pytest.mark.parametrize("case", REALMS)
def test_a_camera_hears_its_realm_as_it_wrote_it(tmp_path: Path, case: str, order: bytes) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    written, hashed, sent = REALMS[case]
    asked = b"WWW-Authenticate: Digest " + order % (written, b'"n1"', b'"auth"')

    def answer(handler: Any) -> None:
        given = handler.headers.get("Authorization", "").encode("latin-1", "surrogateescape")
        if _is_right(given, handler.path, hashed, sent):
            handler.send(jpeg(120))
        else:
            handler.wfile.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n" + asked + b"\r\n\r\n")

    with HttpCamera(answer) as camera:
        source = HttpSnapshot(
            SnapshotSource(
                type="snapshot",
                url=camera.url,
                timeout_s=LONG_S,
                username=USER,
                password_file=tmp_path / "password",
                login="digest",
            )
        )
        assert not any(isinstance(given, str) for given in islice(source.pictures(), 2))
        assert len(camera.requests) == 3, "the second look answers without being asked"


def _challenges(*headers: bytes) -> list[Challenge]:
    return challenges(httpx2.Headers([(b"WWW-Authenticate", header) for header in headers]))


@pytest.mark.parametrize("scheme", ["Basic", "digest", "Negotiate"])
def test_a_value_without_quotes_ends_where_another_challenge_begins(scheme: str) -> None:
    first, second = _challenges(f"{scheme} realm=IP Camera Digest realm=My Camera nonce=n1 qop=auth".encode())
    assert (first.scheme, first.parameters) == (scheme.lower(), {"realm": "IP Camera"})
    assert second.parameters == {"realm": "My Camera", "nonce": "n1", "qop": "auth"}


HOSTILE = (b" ", b"a ", b"a=", b"a= ", b'"', b"\\", b"'", b"a=b ", b"digest ", b'a="', b"-")


@pytest.mark.parametrize("part", HOSTILE)
def test_a_challenge_of_any_length_is_read_at_once(part: bytes) -> None:
    with within(2):
        assert isinstance(_challenges(b"Digest realm=" + part * (60_000 // len(part))), list)
