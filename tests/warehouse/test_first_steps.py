"""docs/wms.md brings an administrator from nothing to PostgreSQL, sync and list in ten commands: they are run."""

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.main import get_command

from kardus.contract.messages import Alert, Expected
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.clusters import Cluster, programs
from tests.patience import wait_until
from tests.publishers import SITE, Publisher
from warehouse.cli.main import app
from warehouse.connectors.sync.settings import read_settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "wms.md").read_text(encoding="utf-8")
COMMANDS = PAGE.partition("## Quick start")[2].partition("```sh\n")[2].partition("```")[0].splitlines()
DEBIAN = """
sudo() {
    if [ "$1" = -u ]; then (export PGUSER="$2"; shift 2; "$@"); else "$@" --simulate; fi
}
"""
"""Who runs the tests may do what it takes already; what is installed stays as it is."""


def test_there_are_ten_and_each_has_options_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "tester")
    assert len(COMMANDS) == 10
    ours = [line for line in COMMANDS if line.startswith("wms/bin/kardus-wms ")]
    assert len(ours) == 4
    for line in ours:
        words = shlex.split(os.path.expandvars(line.removesuffix("&")))[1:]
        command = get_command(app)
        while subcommands := getattr(command, "commands", None):
            command = subcommands[words.pop(0)]
        command.make_context(line, words)
    assert read_settings(ROOT / "deploy/examples/sync.toml").poll_s == 2


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the repository's tracked files, as somebody who has just got it has them."""
    folder = tmp_path / "kardus"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in listed.splitlines():
        if not name.startswith(("tests/", "findings/", "docs/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def environment(cluster: Cluster) -> Iterator[dict[str, str]]:
    """A server and a broker where the commands look for them."""
    words = {"USER": "first_steps", "PGHOST": str(cluster.folder), "PGPORT": str(cluster.port)}
    words |= {"PATH": f"{programs()}:{os.environ['PATH']}", "PYTHONPATH": "", "PGUSER": "first_steps"}
    yield os.environ | words
    cluster.execute("DROP DATABASE IF EXISTS kardus WITH (FORCE)")
    cluster.execute("DROP ROLE IF EXISTS first_steps")


@pytest.mark.slow
@pytest.mark.timeout(1800)  # pip installs for real
def test_the_ten_commands_lead_to_a_list(copy: Path, environment: dict[str, str], mosquitto: Mosquitto) -> None:
    here = f"--site hall --port {mosquitto.port}"  # a broker of the test's own
    before = "\n".join([DEBIAN, "set -e", *COMMANDS[:-1], "echo ready; wait"]).replace("--site hall", here)
    running = subprocess.Popen(
        ["bash", "-c", before], cwd=copy, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert running.stdout is not None
        assert any(line == "ready\n" for line in running.stdout), "a command has failed"
        mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-receiver")
        box, heard = Publisher(), {}
        alert = Alert(id="alert-1", status="open", opened=datetime.now(UTC))

        def hear(topic: str, payload: bytes) -> None:
            if payload:  # what sync sends to learn where the retained messages end is empty
                heard[topic] = payload

        asked = [(f"kardus/v1/{SITE}/expected/+", 1), (Topics(SITE, "+").ack, 1)]
        with MqttClient(BrokerSettings("127.0.0.1", mosquitto.port), asked, hear) as connection:
            connection.publish([box.event("A-01-1-01", Verdict.MISMATCH, alert)], retain=False)
            connection.publish(
                [box.state("A-01-1-01", Verdict.MISMATCH, seen="Milk-Low-Fat"), box.online()], retain=True
            )
            lines = (copy / "deploy/compose/stock.csv").read_text().splitlines()[1:]
            wait_until(lambda: len(heard) == len(lines) + 1, "every line of the list, and the event's acknowledgement")
        told = [Expected.model_validate_json(text) for topic, text in heard.items() if "/expected/" in topic]
        assert {f"{one.location},{one.sku or 'EMPTY'}" for one in told} == set(lines)
        subprocess.run(["bash", "-ec", COMMANDS[-1]], cwd=copy, env=environment, check=True)
        assert re.search("A-01-1-01", (copy / "list.html").read_text(encoding="utf-8"))
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        running.wait()
        if running.stdout is not None:
            running.stdout.close()
