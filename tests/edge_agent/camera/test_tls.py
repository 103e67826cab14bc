"""One policy for every camera with a certificate: checked by default, and nothing is said to one that is refused."""

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from pydantic import ValidationError

from edge_agent.camera.decoding import tunnel
from edge_agent.camera.decoding.protocol import StreamRequest
from edge_agent.camera.decoding.tunnel import tunnelled
from edge_agent.camera.tls import TlsPolicy
from edge_agent.cameras import open_camera_source
from edge_agent.config.cameras import CameraSection
from kardus.inference.part_decoded import whole_of
from kardus.support.errors import ConfigError
from tests.cameras import RtspCamera, jpeg
from tests.https_server import HttpsServer, fingerprint, make_certificates, send
from tests.listeners import listener
from tests.patience import PATIENCE_S

HOST = "127.0.0.1"
KINDS = ("snapshot", "mjpeg", "rtsp")


def _section(kind: str, url: str, **trust: Any) -> CameraSection:
    location = {"id": "L", "corners": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    source = {"type": kind, "url": url, "timeout_s": 10, **trust}
    return CameraSection.model_validate({"name": "c", "source": source, "locations": [location]})


@contextlib.contextmanager
def _camera(kind: str, folder: Path, host: str = HOST) -> Iterator[tuple[str, list[str] | None]]:
    """A camera with a certificate for `host`: its address, and what it was asked."""
    if kind == "rtsp":
        _, chain = make_certificates(folder, host)
        with RtspCamera(chain=chain) as stream:
            yield stream.url, None
        return
    with HttpsServer(folder, lambda handler: send(handler, jpeg(120)), host) as server:
        yield server.url, server.asked


def _first(section: CameraSection, attempts: int = 1) -> Image.Image | str:
    source = open_camera_source(section)
    try:
        pictures = source.pictures()
        for _ in range(attempts):
            if not isinstance(found := next(pictures), str):
                break
        return found if isinstance(found, str) else whole_of(found)
    finally:
        source.close()


TAKEN: dict[str, tuple[str, Callable[[Path], dict[str, Any]]]] = {
    "its authority": (HOST, lambda folder: {"ca_file": str(folder / "ca.pem")}),
    "its fingerprint, whatever its name": ("elsewhere.example", lambda folder: {"fingerprint": fingerprint(folder)}),
    "anybody": ("elsewhere.example", lambda _: {"insecure": True}),
}
REFUSED: dict[str, tuple[str, Callable[[Path], dict[str, Any]], str]] = {
    "an authority that nobody named": (HOST, lambda _: {}, "name its authority in ca_file"),
    "another name": ("elsewhere.example", lambda folder: {"ca_file": str(folder / "ca.pem")}, "IP address mismatch"),
    "another's fingerprint": (HOST, lambda _: {"fingerprint": "ab" * 32}, "its certificate has the fingerprint"),
}


@pytest.mark.parametrize("case", TAKEN)
@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_that_is_trusted_is_taken(tmp_path: Path, kind: str, case: str) -> None:
    host, trust = TAKEN[case]
    with _camera(kind, tmp_path, host) as (url, _):
        assert isinstance(_first(_section(kind, url, **trust(tmp_path)), attempts=5), Image.Image)


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_that_is_not_trusted_is_refused_with_the_reason(tmp_path: Path, kind: str, case: str) -> None:
    host, trust, said = REFUSED[case]
    with _camera(kind, tmp_path, host) as (url, asked):
        refused = _first(_section(kind, url, **trust(tmp_path)))
        assert isinstance(refused, str)
        assert said in refused
        assert len(refused.splitlines()) == 1
        assert not asked, "nothing was said to it"


def test_a_fingerprint_that_is_not_the_one_is_told_with_the_one_that_is(tmp_path: Path) -> None:
    with _camera("snapshot", tmp_path) as (url, _):
        assert fingerprint(tmp_path).replace(":", "").lower() in str(
            _first(_section("snapshot", url, fingerprint="ab" * 32))
        )


@pytest.mark.parametrize("kind", KINDS)
def test_that_nothing_is_checked_is_logged(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    scheme = "rtsps" if kind == "rtsp" else "https"
    with caplog.at_level(logging.WARNING):
        open_camera_source(_section(kind, f"{scheme}://camera/x", insecure=True))
    assert f"{scheme}://camera/x: the camera's certificate isn't checked (insecure = true)" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_an_authority_that_cannot_be_read_is_named_before_anything_begins(
    tmp_path: Path, kind: str, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    scheme = "rtsps" if kind == "rtsp" else "https"
    with pytest.raises(ConfigError, match=r"ca_file = .*ca\.pem: cannot be used"):
        open_camera_source(_section(kind, f"{scheme}://camera/x", ca_file=str(tmp_path / "ca.pem")))


NONSENSE: dict[str, tuple[str, dict[str, Any], str]] = {
    "two at once": ("https://c/x", {"ca_file": "ca.pem", "insecure": True}, "ca_file and insecure exclude each other"),
    "without TLS": ("http://c/x", {"insecure": True}, "insecure says nothing of http://c/x"),
    "too short": ("https://c/x", {"fingerprint": "ab:cd"}, "fingerprint"),
    "no digits": ("https://c/x", {"fingerprint": "xy" * 32}, "fingerprint"),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_refused(case: str) -> None:
    url, trust, said = NONSENSE[case]
    with pytest.raises(ValidationError, match=said):
        _section("snapshot", url, **trust)


def test_what_is_tls_s_own_holds_up_nothing_that_is_sent(tmp_path: Path) -> None:
    """Tickets of TLS 1.3 came before the camera was asked anything: it wasn't asked then until its time was over."""
    ca_file, chain = make_certificates(tmp_path, HOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    greeted = threading.Event()

    def answer(listener: socket.socket) -> None:
        with context.wrap_socket(listener.accept()[0], server_side=True) as camera:
            greeted.set()  # its tickets are sent
            camera.sendall(camera.recv(100).upper())

    with socket.create_server((HOST, 0)) as listener:
        threading.Thread(target=answer, args=(listener,), daemon=True).start()
        url = f"rtsps://{HOST}:{listener.getsockname()[1]}/x"
        stream = StreamRequest(url, "rtsp", timeout_s=PATIENCE_S / 8, tls=TlsPolicy(str(ca_file)))
        with tunnelled(stream) as address:
            assert greeted.wait(PATIENCE_S)
            parts = urlsplit(address)
            with socket.create_connection((parts.hostname, parts.port), PATIENCE_S) as here:
                here.sendall(b"well?")
                assert here.recv(100) == b"WELL?"


def test_a_tunnel_whose_camera_is_closed_meanwhile_ends_without_a_word() -> None:
    with socket.create_server((HOST, 0)) as listener, socket.create_connection(listener.getsockname()) as here:
        camera = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_socket(
            socket.socket(), do_handshake_on_connect=False, server_hostname=HOST
        )
        camera.close()
        tunnel._serve(listener, camera)  # it has another thread, whose end would be a traceback
        assert here.recv(1) == b""


def test_a_login_in_the_plain_address_it_sends_us_on_to_is_not_shown(tmp_path: Path) -> None:
    def answer(handler: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://admin:s3cret@127.0.0.1:9/x.jpg?password=s3cret")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with HttpsServer(tmp_path, answer) as server:
        refused = str(_first(_section("snapshot", server.url, ca_file=str(server.ca_file))))
    assert "it sends us on to http://127.0.0.1:9/x.jpg?..., where" in refused
    assert "s3cret" not in refused


def test_a_camera_that_sends_us_on_to_a_plain_address_is_not_followed(tmp_path: Path) -> None:
    def answer(handler: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://127.0.0.1:9/x.jpg")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with HttpsServer(tmp_path, answer) as server:
        refused = _first(_section("snapshot", server.url, ca_file=str(server.ca_file)))
    assert "it sends us on to http://127.0.0.1:9/x.jpg, where nobody can be verified" in str(refused)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_old_weak_camera_is_taken_where_nothing_is_checked(tmp_path: Path) -> None:
    with HttpsServer(tmp_path, lambda handler: send(handler, jpeg(120))) as server:
        context = server.context
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        assert isinstance(_first(_section("snapshot", server.url, insecure=True)), Image.Image)
        assert isinstance(_first(_section("snapshot", server.url, fingerprint=fingerprint(tmp_path))), str)


OLD_TLS: dict[str, Callable[[socket.socket], None]] = {
    "an old version": lambda camera: camera.sendall(b"\x15\x03\x01\0\2\2\x46"),  # the alert protocol_version
    "nothing in common": lambda camera: camera.sendall(b"\x15\x03\x03\0\2\2\x28"),  # handshake_failure
    "no secure renegotiation": lambda camera: camera.sendall(_hello()),
}


def _hello() -> bytes:
    """ServerHello of TLS 1.2 without extensions, as before RFC 5746."""
    body = b"\x03\x03" + bytes(range(32)) + b"\0" + b"\xc0\x2f" + b"\0"
    message = b"\2" + len(body).to_bytes(3) + body
    return b"\x16\x03\x03" + len(message).to_bytes(2) + message


@contextlib.contextmanager
def _old_camera(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """One that answers the first greeting so, and hangs up."""
    with listener() as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    camera, _ = listening.accept()
                    with camera:
                        camera.recv(65_536)
                        answer(camera)

        threading.Thread(target=serve, daemon=True).start()
        yield f"https://{HOST}:{listening.getsockname()[1]}/x"


@pytest.mark.parametrize("case", OLD_TLS)
def test_a_camera_of_old_tls_is_told_with_the_remedy(case: str) -> None:
    with _old_camera(OLD_TLS[case]) as url:
        said = str(_first(_section("snapshot", url)))
    assert "TLS failed: " in said
    assert "it may speak old TLS alone: update it, or set insecure = true" in said


def test_what_checks_nothing_takes_a_camera_without_secure_renegotiation() -> None:
    with _old_camera(OLD_TLS["no secure renegotiation"]) as url:
        assert "renegotiation" not in str(_first(_section("snapshot", url, insecure=True)))
