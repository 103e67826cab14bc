"""A bundle is fetched over HTTPS from whom it can be trusted to come, whole, or it isn't fetched at all."""

import contextlib
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import ValidationError

from edge_agent.models import fetch as fetching
from edge_agent.models.fetch import copy, fetch, write_limited
from kardus.contract.commands import ChangeModel
from kardus.support.errors import BundleError, ConfigError
from tests.dripping import NEVER_DONE, DrippingServer
from tests.https_server import HttpsServer, Respond, make_certificates, send
from tests.patience import PATIENCE_S

BODY = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "BACK_OFF_S", 0.001)
    monkeypatch.setattr(fetching, "TIMEOUT_S", PATIENCE_S)


def _command(url: str, body: bytes = BODY, **changes: object) -> ChangeModel:
    content = {
        "name": "shelf",
        "version": "1.0.1",
        "size": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
        "url": url,
    }
    return ChangeModel.model_validate(content | changes)


def _fetched(tmp_path: Path, respond: Respond, **changes: object) -> tuple[HttpsServer, Path]:
    target = tmp_path / "staging" / "new.bundle"
    with HttpsServer(tmp_path / "pki", respond) as server:
        fetch(_command(f"{server.url}/a.bundle", **changes), target, server.ca_file, threading.Event())  # type: ignore[arg-type]
    return server, target


def test_the_file_that_was_named_is_fetched(tmp_path: Path) -> None:
    _, target = _fetched(tmp_path, lambda asked: send(asked, BODY))
    assert target.read_bytes() == BODY


def test_a_server_that_fails_first_is_asked_again(tmp_path: Path) -> None:
    times = []

    def respond(asked: BaseHTTPRequestHandler) -> None:
        times.append(1)
        if len(times) == 1:
            asked.send_error(503)
        elif len(times) == 2:
            send(asked, BODY[:1000], len(BODY))  # breaks off
            asked.close_connection = True
        else:
            send(asked, BODY)

    server, target = _fetched(tmp_path, respond)
    assert (len(server.asked), target.read_bytes()) == (3, BODY)


@pytest.mark.parametrize(
    ("respond", "said"),
    [
        (lambda asked: asked.send_error(404), "it answers 404 Not Found"),
        (lambda asked: send(asked, BODY + b"x"), f"more than {len(BODY)} bytes come"),
        (lambda asked: send(asked, BODY[:-1] + b"x"), "not the 10240 bytes"),
        (lambda asked: send(asked, BODY[:-1]), "not the 10240 bytes"),
    ],
)
def test_what_is_not_the_file_is_refused(tmp_path: Path, respond: Respond, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        _fetched(tmp_path, respond)


def test_a_redirection_is_not_followed(tmp_path: Path) -> None:
    def respond(asked: BaseHTTPRequestHandler) -> None:
        asked.send_response(302)
        asked.send_header("Location", "http://127.0.0.1:1/elsewhere")
        asked.end_headers()

    with pytest.raises(BundleError, match="it answers 302"):
        _fetched(tmp_path, respond)


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1"])
def test_a_server_that_cannot_prove_who_it_is_gets_nothing_said(tmp_path: Path, host: str) -> None:
    """A certificate for another host; and one of an authority that isn't trusted."""
    other_ca, _ = make_certificates(tmp_path / "other", "127.0.0.1")
    with HttpsServer(tmp_path / "pki", lambda asked: send(asked, BODY), host) as server:
        ca_file = server.ca_file if host != "127.0.0.1" else other_ca
        with pytest.raises(BundleError, match=r"can't be fetched.*certificate.*check the address"):
            fetch(_command(f"{server.url}/a"), tmp_path / "new", ca_file, threading.Event())
        assert server.asked == []


def test_a_server_without_tls_is_refused(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        with pytest.raises(BundleError, match="can't be fetched"):
            fetch(_command(f"https://127.0.0.1:{server.server_port}/a"), tmp_path / "new", None, threading.Event())
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("url", ["http://host/a", "https://user:secret@host/a", "file:///etc/passwd", "ftp://h/a"])
def test_a_command_with_another_kind_of_address_is_malformed(url: str) -> None:
    with pytest.raises(ValidationError):
        _command(url)


def test_authorities_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"model.ca_file = .*ca.pem: no certificates"):
        fetch(_command("https://127.0.0.1:1/a"), tmp_path / "new", tmp_path / "ca.pem", threading.Event())


def test_a_fetch_that_is_not_wanted_any_more_ends(tmp_path: Path) -> None:
    stopping = threading.Event()

    def respond(asked: BaseHTTPRequestHandler) -> None:
        stopping.set()
        send(asked, BODY)

    with (
        HttpsServer(tmp_path / "pki", respond) as server,
        pytest.raises(BundleError, match="isn't wanted any more"),
    ):
        fetch(_command(f"{server.url}/a"), tmp_path / "new", server.ca_file, stopping)
    assert len(server.asked) == 1


@pytest.mark.parametrize("case", [name for name, (scheme, _) in NEVER_DONE.items() if scheme == "https"])
def test_a_server_that_never_shakes_hands_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr(fetching, "TRIES", 1)
    monkeypatch.setattr(fetching, "TIMEOUT_S", 1.0)
    with DrippingServer(NEVER_DONE[case][1]) as server, pytest.raises(BundleError, match="can't be fetched"):
        fetch(_command(server.url("https")), tmp_path / "new", None, threading.Event())


@pytest.mark.parametrize("start", ["HTTP/1.1 200 OK\r\nX-Long: ", "HTTP/1.1 200 OK\r\nContent-Length: 10240\r\n\r\n"])
@pytest.mark.parametrize("stops", [False, True])
def test_a_server_that_drips_is_given_up_when_it_is_too_slow_or_not_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str, *, stops: bool
) -> None:
    monkeypatch.setattr(fetching, "TRIES", 1)
    monkeypatch.setattr(fetching, "TIMEOUT_S", 600.0 if stops else 1.0)
    stopping, over = threading.Event(), threading.Event()

    def respond(asked: BaseHTTPRequestHandler) -> None:
        if stops:
            stopping.set()
        asked.wfile.write(start.encode())
        with contextlib.suppress(OSError):
            while not over.wait(0.05):
                asked.wfile.write(b"x")

    with (
        HttpsServer(tmp_path / "pki", respond) as server,
        pytest.raises(BundleError, match="isn't wanted any more" if stops else "isn't over within"),
    ):
        fetch(_command(f"{server.url}/a"), tmp_path / "new", server.ca_file, stopping)
    over.set()


def test_a_copy_gives_the_same_bytes_and_their_hash(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(BODY)
    assert copy(tmp_path / "a", tmp_path / "staging" / "b") == hashlib.sha256(BODY).hexdigest()
    assert (tmp_path / "staging" / "b").read_bytes() == BODY
    with pytest.raises(BundleError, match="cannot be read"):
        copy(tmp_path / "gone", tmp_path / "staging" / "b")


def test_a_disk_that_does_not_take_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"/dev/full: cannot be written .No space left"):
        write_limited([BODY], Path("/dev/full"), 100_000)
