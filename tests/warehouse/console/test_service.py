"""`kardus-wms serve` as a process: beside a receiver on one file, with TLS, by systemd, and what it refuses."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.in_process import assert_one_line, call
from tests.patience import PATIENCE_S, wait_until
from tests.publishers import SITE, Publisher
from tests.warehouse.console.serving import BASE, Follower
from warehouse.__main__ import main
from warehouse.authority.register import create_authority
from warehouse.authority.roles import CertificateRole
from warehouse.console.identity.scopes import SCOPES
from warehouse.console.identity.tokens import make_token
from warehouse.store.opening import open_database

NUMBER = 1500


@contextmanager
def running(*words: object, errors: IO[str] | None = None, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`kardus-wms` with these words; `errors`: where its log goes."""
    command = [sys.executable, "-m", "warehouse", *map(str, words)]
    own = {**os.environ, **environment}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=own)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def port_of(server: subprocess.Popen[str]) -> int:
    """Where it listens, as it says."""
    assert server.stdout is not None
    found = re.fullmatch(r"serving at https?://127\.0\.0\.1:(\d+)/api/v1\n", server.stdout.readline())
    assert found
    return int(found.group(1))


def test_beside_a_receiver_on_one_file_nothing_fails_and_what_comes_is_told(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    path = tmp_path / "k.sqlite"
    with open_database(path, make=True) as database:
        token = make_token(database, "page", SCOPES, None)
    box = Publisher()
    broker = ("--host", "127.0.0.1", "--port", mosquitto.port)
    with (
        running("receive", "--database", path, "--site", SITE, *broker) as receiver,
        running("serve", "--database", path, "--listen", "127.0.0.1:0", "--rate", 10_000) as server,
        MqttClient(BrokerSettings("127.0.0.1", mosquitto.port)) as client,
    ):
        port = port_of(server)
        mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-receiver")
        follower = Follower(port, token)
        ready = follower.next()
        assert ready is not None
        assert ready.event == "ready"
        statuses: list[int] = []
        asking = threading.Thread(target=_ask_on, args=(port, token, statuses), daemon=True)
        asking.start()
        sent = box.events(NUMBER)
        for start in range(0, NUMBER, 100):
            client.publish(sent[start : start + 100], retain=False)
        numbers: list[int] = []
        while len(numbers) < NUMBER:
            told = follower.next()
            assert told is not None
            numbers += [json.loads(told.data)["number"]] if told.event == "event" else []
        assert numbers == list(range(1, NUMBER + 1))
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE_S) == 0
        receiver.send_signal(signal.SIGTERM)
        assert receiver.wait(PATIENCE_S) == 0
        asking.join(PATIENCE_S)
    assert set(statuses) == {200}
    assert len(statuses) > 5


def _ask_on(port: int, token: str, statuses: list[int]) -> None:
    """Read a page again and again until the server ends."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    while True:
        try:
            client.request("GET", f"{BASE}/events", headers={"Authorization": f"Bearer {token}"})
            answer = client.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return
        statuses.append(answer.status)


def _serial(port: int, authority: Path) -> int:
    """The number of the certificate that the server meets a new connection with."""
    context = ssl.create_default_context(cafile=authority / "ca.crt")
    with (
        socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as encrypted,
    ):
        found = encrypted.getpeercert()
    assert found
    return int(str(found["serialNumber"]), 16)


def test_a_renewed_certificate_is_used_without_a_restart(tmp_path: Path) -> None:
    open_database(tmp_path / "k.sqlite", make=True).close()
    register = create_authority(tmp_path / "authority", "hall")
    certificate, key = tmp_path / "served.crt", tmp_path / "served.key"
    issued = [register.issue(CertificateRole.SERVER, name, ["127.0.0.1"], days=9) for name in ("first", "second")]

    def install(number: int) -> None:
        for path in (certificate, key):  # one after the other, as every tool does
            path.with_suffix(".new").write_bytes(issued[number].with_suffix(path.suffix).read_bytes())
            path.with_suffix(".new").replace(path)

    install(0)
    files = ("--server-certificate-file", certificate, "--server-key-file", key)
    words = ("serve", "--database", tmp_path / "k.sqlite", "--listen", "127.0.0.1:0", *files)
    with (tmp_path / "log").open("w") as told, running(*words, errors=told) as server:
        port = port_of(server)
        first = _serial(port, tmp_path / "authority")
        key.write_bytes(b"half a renewal")
        wait_until(lambda: "the former one stays" in (tmp_path / "log").read_text())
        assert _serial(port, tmp_path / "authority") == first
        install(1)
        wait_until(lambda: _serial(port, tmp_path / "authority") != first)
        assert "--server-certificate-file = " in (tmp_path / "log").read_text()
        assert "the certificate ends on " in (tmp_path / "log").read_text()


def test_with_tls_and_under_systemd(tmp_path: Path) -> None:
    open_database(tmp_path / "k.sqlite", make=True).close()
    certificate = create_authority(tmp_path / "authority", "hall").issue(
        CertificateRole.SERVER, "console", ["127.0.0.1"]
    )
    issued = certificate.with_suffix("")
    files = ("--server-certificate-file", f"{issued}.crt", "--server-key-file", f"{issued}.key")
    words = ("serve", "--database", tmp_path / "k.sqlite", "--listen", "127.0.0.1:0", *files)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE_S)
        with running(*words, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="3000000") as server:
            port = port_of(server)
            assert [systemd.recv(100) for _ in range(2)] == [b"READY=1", b"WATCHDOG=1"]
            context = ssl.create_default_context(cafile=tmp_path / "authority" / "ca.crt")
            client = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=PATIENCE_S)
            client.request("GET", f"{BASE}/events")
            answer = client.getresponse()
            assert (answer.status, answer.headers["strict-transport-security"]) == (401, "max-age=31536000")
            client.close()
            server.send_signal(signal.SIGINT)
            assert server.wait(PATIENCE_S) == 0


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--listen", "0.0.0.0:8088"], ["tokens would travel openly", "--forwarded-from"]),
        (["--listen", "here"], ["--listen here", "127.0.0.1:8088"]),
        (["--listen", "127.0.0.1:70000"], ["--listen 127.0.0.1:70000"]),
        (["--listen", f"127.0.0.1:{'1' * 5000}"], ["--listen 127.0.0.1:111"]),
        (["--listen", "127.0.0.1:0", "--forwarded-from", "proxy"], ["--forwarded-from proxy"]),
        (["--server-key-file", "x"], ["belong together"]),
        (["--server-key-file", "x", "--server-certificate-file", "y", "--listen", "127.0.0.1:0"], ["can't be used"]),
    ],
)
def test_wrong_options_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], parts: list[str]
) -> None:
    open_database(tmp_path / "k.sqlite", make=True).close()
    assert_one_line(call(capsys, main, "serve", "--database", tmp_path / "k.sqlite", *words), 2, *parts)


def test_a_port_that_is_taken_and_a_database_that_is_none_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_one_line(call(capsys, main, "serve", "--database", tmp_path / "none.sqlite"), 1, "no such file")
    open_database(tmp_path / "k.sqlite", make=True).close()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        result = call(capsys, main, "serve", "--database", tmp_path / "k.sqlite", "--listen", listen)
    assert_one_line(result, 1, f"--listen {listen}", "name another")
