"""`kardus-wms watch` against a real broker."""

from __future__ import annotations

import json
from pathlib import Path

from edge_agent.contract.verdicts import Verdict
from edge_agent.demo.broker import free_port
from edge_agent.wms.connection import Broker, Connection
from tests.brokers import Mosquitto
from tests.conftest import run_command
from tests.edge_agent.wms.test_board import NOW, WRITER, _state


def _publish(port: int) -> None:
    with Connection(Broker("127.0.0.1", port)) as connection:
        connection.publish([WRITER.state_message(_state(Verdict.EMPTY)), WRITER.online(1, "0.1.0", NOW)], retain=True)


def test_watch_shows_what_is_retained(mosquitto: Mosquitto) -> None:
    _publish(mosquitto.port)
    words = ("kardus-wms", "watch", "--site", "s", "--host", "127.0.0.1", "--port", mosquitto.port, "--seconds", 1)
    text = run_command(*words).stdout
    assert "A-1" in text
    assert "empty" in text
    assert "box: online" in text
    states = json.loads(run_command(*words, "--json").stdout)
    assert [(s["location"], s["verdict"]) for s in states] == [("A-1", "empty")]


def test_a_password_file_that_is_missing_is_named(tmp_path: Path) -> None:
    words = ("--host", "127.0.0.1", "--port", free_port(), "--password-file", tmp_path / "no.txt")
    result = run_command("kardus-wms", "watch", "--site", "s", *words, check=2)
    assert "no.txt: cannot be read" in result.stderr
