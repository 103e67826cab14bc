"""A running agent is ready, shows its metrics, and stops giving signs of life when it hangs (FAULTS 3)."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from simulator.demo.broker import free_port
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import STARTED, write_config
from tests.brokers import Mosquitto
from tests.edge_agent.racks import still
from tests.patience import PATIENCE_S

KEY = DEMO_KEY.read_text().strip()
WATCHDOG_S = 1.5


def _next(manager: socket.socket, wanted: bytes, timeout_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + timeout_s
    while manager.recv(100) != wanted:
        assert time.monotonic() < deadline


def _hear_out(manager: socket.socket) -> None:
    """Until nothing comes any more; some signs may be on their way."""
    for _ in range(2000):
        manager.recv(100)


def _has_looked(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE_S):
            return True
    except urllib.error.HTTPError as error:
        problems = json.load(error)["problems"]
    assert problems == ["the first look at all locations isn't over"]
    return False


def _assert_healthy(port: int) -> None:
    for path in ("/healthz", "/readyz"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as answer:
            assert json.load(answer)["ok"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        text = answer.read().decode()
    assert 'kardus_camera_ok{camera="rack"} 1.0' in text
    looked_at = float(re.findall(r"^kardus_classifications_total (.*)$", text, re.MULTILINE)[0])
    assert looked_at > 0
    assert looked_at % 15 == 0, "every location at every look, however many there have been"


def test_the_service_manager_and_the_probes_see_the_agent_live_and_hang(tmp_path: Path, mosquitto: Mosquitto) -> None:
    port = free_port()
    Image.fromarray(still()).save(tmp_path / "now.jpg", quality=95)
    config = write_config(
        tmp_path,
        mosquitto.port,
        DEMO_BUNDLE,
        KEY,
        'type = "file", path = "now.jpg"',
        interval_s=0.2,
        extra=f'[health]\nport = {port}\nlog = "json"\n',
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
        agent = subprocess.Popen(
            [sys.executable, "-m", "edge_agent", "run", str(config), "--verbose"],
            env=os.environ | environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        STARTED.append(agent)
        _next(manager, b"READY=1")
        _next(manager, b"WATCHDOG=1")
        while not _has_looked(port):
            _next(manager, b"WATCHDOG=1")
        _assert_healthy(port)

        agent.send_signal(signal.SIGSTOP)
        manager.settimeout(2 * WATCHDOG_S)
        with pytest.raises(TimeoutError):
            _hear_out(manager)
        agent.send_signal(signal.SIGCONT)
        manager.settimeout(PATIENCE_S)
        _next(manager, b"WATCHDOG=1")
        agent.send_signal(signal.SIGTERM)
        _next(manager, b"STOPPING=1")
        _, log = agent.communicate(timeout=PATIENCE_S)
        assert agent.returncode == 0
        lines = [json.loads(line) for line in log.splitlines()]
        assert any(line["logger"] == "kardus.mqtt" and "connected" in line["message"] for line in lines)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            pytest.fail("the page is still there")
