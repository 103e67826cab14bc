"""Probes, metrics, the watchdog's signs of life, and the log."""

import json
import logging
import os
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from edge_agent.health.metrics import CertificateCollector, Metrics, StateCollector
from edge_agent.health.server import HealthServer
from edge_agent.reporting.outbox.message import Depth, Losses
from kardus.contract.verdicts import Verdict
from kardus.support.errors import ConfigError
from kardus.support.logs import JsonFormatter
from kardus.support.systemd import Watchdog, notify, watchdog_s
from kardus.support.vitals import Heartbeat, Vitals
from tests.patience import PATIENCE_S
from warehouse.authority.register import create_authority
from warehouse.authority.roles import CertificateRole

OPERATION = Path(__file__).parents[3] / "docs" / "operation.md"


def _vitals(limit_s: float = 60.0, *, alive: bool = True) -> Vitals:
    return Vitals({"agent": Heartbeat()}, {"outbox": lambda: alive}, limit_s)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of an agent, for nine days."""
    return create_authority(tmp_path / "authority", "tests").issue(CertificateRole.DEVICE, "box-1", days=9)


@pytest.fixture
def metrics(certificate: Path) -> Metrics:
    """An agent's, with what is asked for at a look."""
    metrics = Metrics()
    states = {"A": SimpleNamespace(verdict=Verdict.MATCH), "B": SimpleNamespace(verdict=Verdict.EMPTY)}
    outbox = SimpleNamespace(depth=lambda: Depth({"event": 3}), losses=Losses())
    metrics.registry.register(StateCollector(states, outbox, lambda: True, lambda: {"bay-1": True, "bay-2": False}))
    metrics.registry.register(CertificateCollector(certificate))
    return metrics


def _get(server: HealthServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def server(metrics: Metrics) -> Iterator[HealthServer]:
    """A page about a healthy agent."""
    server = HealthServer("127.0.0.1", 0, _vitals(), metrics.registry)
    server.start()
    yield server
    server.stop()


def test_it_ends_at_once_however_seldom_it_looks_up(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look costs time that a rack at rest has no need of."""
    monkeypatch.setattr("edge_agent.health.server._SHUTDOWN_POLL_S", 1000 * PATIENCE_S)
    server = HealthServer("127.0.0.1", 0, _vitals(), metrics.registry)
    server.start()
    assert _get(server, "/healthz")[0] == 200
    ending = threading.Thread(target=server.stop, daemon=True)
    ending.start()
    ending.join(PATIENCE_S)
    assert not ending.is_alive()


def test_a_healthy_agent_is_healthy_and_ready_once_it_has_looked(metrics: Metrics) -> None:
    vitals = _vitals()
    server = HealthServer("127.0.0.1", 0, vitals, metrics.registry)
    server.start()
    assert _get(server, "/healthz") == (200, '{"ok": true, "problems": []}\n')
    status, text = _get(server, "/readyz")
    assert status == 503
    assert "the first look at all locations isn't over" in text
    vitals.is_ready.set()
    assert _get(server, "/readyz")[0] == 200
    server.stop()


def test_it_listens_at_an_address_of_ipv6_too(metrics: Metrics) -> None:
    server = HealthServer("::1", 0, _vitals(), metrics.registry)
    server.start()
    with urllib.request.urlopen(f"http://[::1]:{server.port}/healthz", timeout=PATIENCE_S) as answer:
        assert answer.status == 200
    server.stop()


@pytest.mark.parametrize(
    ("vitals", "said"), [(_vitals(-1.0), "agent: no sign of life"), (_vitals(alive=False), "outbox: has died")]
)
def test_a_thread_that_does_not_work_is_named(vitals: Vitals, said: str, metrics: Metrics) -> None:
    server = HealthServer("127.0.0.1", 0, vitals, metrics.registry)
    server.start()
    for path in ("/healthz", "/readyz"):
        status, text = _get(server, path)
        assert status == 503
        assert said in text
    server.stop()


def test_a_beat_is_a_sign_of_life() -> None:
    heartbeat = Heartbeat()
    heartbeat._last_s -= 100
    vitals = Vitals({"agent": heartbeat}, {}, 30)
    assert vitals.problems() == ["agent: no sign of life for 100 s"]
    heartbeat.beat()
    assert vitals.problems() == []


def test_metrics_are_what_was_counted(metrics: Metrics, server: HealthServer) -> None:
    metrics.frames.labels("rack").inc(5)
    metrics.events.labels(Verdict.EMPTY).inc()
    text = _get(server, "/metrics")[1]
    for line in (
        'kardus_frames_total{camera="rack"} 5.0',
        'kardus_events_total{verdict="empty"} 1.0',
        'kardus_locations{verdict="match"} 1.0',
        'kardus_locations{verdict="stale"} 0.0',
        'kardus_camera_stream_rests{camera="bay-1"} 1.0',
        'kardus_camera_stream_rests{camera="bay-2"} 0.0',
        'kardus_outbox_messages{kind="event"} 3.0',
        "kardus_mqtt_connected 1.0",
    ):
        assert line in text.splitlines()


def test_the_end_of_the_certificate_is_that_of_the_file_as_it_is_now(
    certificate: Path, metrics: Metrics, tmp_path: Path
) -> None:
    end = metrics.registry.get_sample_value("kardus_certificate_expiry_timestamp_seconds")
    assert end
    assert 8.9 < (end - time.time()) / 86_400 < 9.1
    create_authority(tmp_path / "other", "tests").issue(CertificateRole.DEVICE, "box-1", days=90).replace(certificate)
    renewed = metrics.registry.get_sample_value("kardus_certificate_expiry_timestamp_seconds")
    assert renewed
    assert 80.9 < (renewed - end) / 86_400 < 81.1
    certificate.unlink()
    assert metrics.registry.get_sample_value("kardus_certificate_expiry_timestamp_seconds") is None


def test_every_metric_is_documented_and_every_documented_one_is_there(server: HealthServer) -> None:
    shown = {
        words[2] + ("_total" if words[3] == "counter" and not words[2].endswith("_total") else "")
        for words in (line.split() for line in _get(server, "/metrics")[1].splitlines())
        if words[:2] == ["#", "TYPE"] and not words[2].endswith("_created")
    }
    assert shown == set(re.findall(r"^\| `(kardus_\w+)`", OPERATION.read_text(), re.MULTILINE))


def test_another_path_says_what_there_is(server: HealthServer) -> None:
    assert _get(server, "/") == (404, "/healthz, /readyz, /metrics\n")


def test_a_port_that_is_taken_is_named(server: HealthServer) -> None:
    with pytest.raises(ConfigError, match=rf"health\.port = {server.port}: can't be listened on"):
        HealthServer("127.0.0.1", server.port, _vitals(), CollectorRegistry())


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's socket."""
    name = str(tmp_path / "notify") if request.param == "path" else f"\0kardus-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        listener.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", name.replace("\0", "@"))
        yield listener


def test_the_service_manager_is_told(manager: socket.socket) -> None:
    assert notify("READY=1")
    assert manager.recv(100) == b"READY=1"


@pytest.mark.timeout(60)
def test_a_service_manager_that_takes_nothing_holds_nobody_up(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kardus.support.systemd.LISTENS_S", 0.05)
    told = 0
    while notify("WATCHDOG=1"):
        told += 1
    assert manager.recv(100) == b"WATCHDOG=1"
    assert told > 1


def test_without_a_service_manager_nobody_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("READY=1")


def test_signs_of_life_come_as_long_as_every_thread_works(manager: socket.socket) -> None:
    heartbeat = Heartbeat()
    watchdog = Watchdog(Vitals({"agent": heartbeat}, {}, 30), 0.15)
    watchdog.start()
    assert [manager.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    heartbeat._last_s -= 100
    manager.settimeout(0.4)
    with pytest.raises(TimeoutError):
        _hear_out(manager)
    watchdog.stop()


def _hear_out(manager: socket.socket) -> None:
    """Until nothing comes any more; as many signs may be on their way as the socket holds."""
    for _ in range(100):
        manager.recv(100)


@pytest.mark.parametrize(
    ("usec", "pid", "wanted"),
    [
        ("30000000", None, 30.0),
        ("30000000", "own", 30.0),
        ("30000000", "1", None),
        ("", None, None),
        ("0", None, None),
        ("x", None, None),
        ("²", None, None),
        ("9" * 5000, None, None),
    ],
)
def test_how_often_the_service_manager_wants_a_sign(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str | None, wanted: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert watchdog_s() == wanted


def test_a_line_of_the_log_is_json_with_its_traceback() -> None:
    error = RuntimeError("broken")
    record = logging.LogRecord("kardus.x", logging.ERROR, "f", 1, 'said "%s"', ("é",), (type(error), error, None))
    line = JsonFormatter().format(record)
    assert len(line.splitlines()) == 1
    content = json.loads(line)
    assert (content["level"], content["logger"], content["message"]) == ("error", "kardus.x", 'said "é"')
    assert content["time"].endswith("Z")
    assert "RuntimeError: broken" in content["traceback"]
