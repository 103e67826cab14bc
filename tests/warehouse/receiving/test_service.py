"""The receiver as a service: it runs until a signal comes or its time is over, and says what it has done."""

import gc
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from simulator.demo.broker import free_port
from tests.brokers import Mosquitto
from tests.in_process import call
from tests.patience import PATIENCE_S
from tests.publishers import SITE, Publisher
from tests.warehouse.receiving.test_receiver import publish, wait_for
from warehouse.__main__ import main
from warehouse.receiving.health import report
from warehouse.receiving.receiver import ReceiverStatus
from warehouse.receiving.service import YOUNG_OBJECTS, collecting_seldom
from warehouse.store.reader import StoreReader


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    """The service sets handlers, and a process ends with it: this one goes on."""
    former = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


def _words(mosquitto: Mosquitto, path: Path, seconds: float) -> tuple[object, ...]:
    broker = ("--host", "127.0.0.1", "--port", mosquitto.port)
    return ("receive", "--sqlite", path, "--site", SITE, *broker, "--json", "--seconds", seconds)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stores_until_a_signal_comes_and_says_what_it_stored(
    mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    path = tmp_path / "k.sqlite"

    def send() -> None:
        mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-receiver")
        publish(mosquitto, Publisher().events(3))
        with StoreReader.open(path) as reader:
            wait_for(lambda: len(reader.events()) == 3)
        os.kill(os.getpid(), number)

    sending = threading.Thread(target=send)
    sending.start()
    done = call(capsys, main, *_words(mosquitto, path, 2 * PATIENCE_S))
    sending.join()
    assert (done.returncode, json.loads(done.stdout.splitlines()[-1])["events"]) == (0, 3)


def test_systemd_is_told_that_it_is_ready_alive_and_stopping(
    mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[str]()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "3000000")

        def listen() -> None:
            while not told or not told[-1].endswith("stored"):
                told.append(supervisor.recv(1000).decode())
                if told[-1] == "WATCHDOG=1":
                    os.kill(os.getpid(), signal.SIGTERM)

        listening = threading.Thread(target=listen, daemon=True)
        listening.start()
        call(capsys, main, *_words(mosquitto, tmp_path / "k.sqlite", PATIENCE_S))
        listening.join(PATIENCE_S)
    assert [line.startswith("STATUS=") for line in told[:2]] == [True, True]
    assert told[1:4] == ["STATUS=the database is up to date", "READY=1", "WATCHDOG=1"]
    assert told[-2:] == ["STOPPING=1", "STATUS=0 events stored"]


def test_the_health_page_says_what_is_stored_and_that_the_broker_is_away(
    mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port, seen = free_port(), list[str]()
    page = f"http://127.0.0.1:{port}"

    def asked(name: str) -> tuple[int, str]:
        try:
            answer = httpx2.get(f"{page}/{name}", timeout=PATIENCE_S)
        except httpx2.TransportError:
            return 0, ""  # it comes after the receiver
        return answer.status_code, answer.text

    def look() -> None:
        try:
            mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-receiver")
            publish(mosquitto, Publisher().events(3))
            wait_for(lambda: "kardus_receive_events_total 3\n" in asked("metrics")[1])
            wait_for(lambda: asked("readyz")[0] == 200)
            mosquitto.kill()
            wait_for(lambda: asked("readyz")[0] == 503)
            seen.extend(json.loads(asked("readyz")[1])["problems"])
            assert asked("healthz")[0] == 200
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    looking = threading.Thread(target=look)
    looking.start()
    words = _words(mosquitto, tmp_path / "k.sqlite", 2 * PATIENCE_S)
    done = call(capsys, main, *words, "--health", f"127.0.0.1:{port}")
    looking.join()
    mosquitto.start()
    assert done.returncode == 0
    assert f"127.0.0.1:{mosquitto.port}" in seen[0]


def test_it_is_not_ready_before_it_is_connected() -> None:
    told = report(ReceiverStatus(False, "", *range(11)))
    assert told.problems == ("it isn't connected yet",)


def test_it_ends_by_itself_once_its_time_is_over(
    mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    began_s = time.monotonic()
    done = call(capsys, main, *_words(mosquitto, tmp_path / "k.sqlite", 1.2))
    assert time.monotonic() - began_s >= 1.2
    status = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, status["events"], status["acks"], status["resends"]) == (0, 0, 0, 0)


def test_garbage_is_looked_for_rarely_while_it_receives_and_as_before_afterwards() -> None:
    before = gc.get_threshold()
    with collecting_seldom():
        assert gc.get_threshold() == (YOUNG_OBJECTS, *before[1:])
        assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == before
