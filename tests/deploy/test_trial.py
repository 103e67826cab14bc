"""The examples and the trial, started as somebody would who has only read them: with their files, keys and words."""

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_agent.cli.check import check
from edge_agent.config import load_config
from simulator.demo.play import DEMO_BUNDLE
from tests.brokers import Mosquitto
from tests.conftest import BIN
from tests.deploy.examples import EXAMPLES, laid_out
from tests.deploy.site import SETTINGS, Site
from tests.patience import wait_until

DEPLOY = SETTINGS.parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site's certificates; its broker doesn't run."""
    return Site(tmp_path_factory.mktemp("site"))


@pytest.mark.parametrize(
    "example", sorted({*EXAMPLES.glob("*.toml")} - {EXAMPLES / "sync.toml"}), ids=lambda path: path.stem
)
def test_an_example_runs_as_soon_as_its_files_are_where_it_says(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch, example: Path
) -> None:
    """But for camera and broker, which don't exist."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    text = re.sub(r'(host|url) = "(rtsp://)?[^/"]+', r'\1 = "\g<2>127.0.0.1', example.read_text())  # no name is asked
    (tmp_path / "given").mkdir()
    given = tmp_path / "given" / example.name
    given.write_text(re.sub(r"^port = 8883", "port = 1", text, flags=re.MULTILINE))
    found = {result.what: result for result in check(load_config(laid_out(given, tmp_path, site)))}
    unknown = {what for what, result in found.items() if not result.ok}
    assert unknown <= {"broker", "camera a-03"}, found
    assert "can't be reached" in found["broker"].found or "refused" in found["broker"].found


class Trial:
    """The trial's services as processes of this machine: their own words, with other paths, host and port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._script("certificates.sh", folder / "certificates")
        self._script("broker-files.sh", folder / "certificates" / "authority", folder / "broker")
        self.broker = Mosquitto(folder / "mosquitto", settings=self._broker_settings)
        (folder / "demo.bundle").write_bytes(DEMO_BUNDLE.read_bytes())
        (folder / "agent.toml").write_text(self._here((EXAMPLES / "simulated.toml").read_text(), "agent"))

    def words(self, name: str) -> list[str]:
        """A service's command line."""
        service = SERVICES[name]
        image = ["kardus-agent", "run", "/etc/kardus/agent.toml"]  # ENTRYPOINT and CMD of the image
        words = [*service["entrypoint"], *service["command"]] if "entrypoint" in service else image
        program, *others = (self._here(word, name) for word in words)
        return [str(BIN / program), *others]

    def environment(self, name: str) -> dict[str, str]:
        """Of a service."""
        given = SERVICES[name].get("environment", {})
        return os.environ | {key: self._here(value, name) for key, value in given.items()}

    @contextlib.contextmanager
    def running(self, name: str) -> Iterator[subprocess.Popen[str]]:
        """A service, until the end of the `with` statement."""
        process = subprocess.Popen(self.words(name), env=self.environment(name), stderr=subprocess.PIPE, text=True)
        try:
            yield process
        finally:
            process.terminate()
            _, complaint = process.communicate()
            sys.stderr.write(complaint)

    def _script(self, name: str, *arguments: Path) -> None:
        environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
        subprocess.run(["sh", DEPLOY / "compose" / name, *arguments], check=True, capture_output=True, env=environment)

    def _broker_settings(self, port: int) -> str:
        text = (DEPLOY / "compose" / "mosquitto.conf").read_text()
        text = text.replace("/mosquitto/kardus", str(self._folder / "broker"))
        return text.replace("listener 8883", f"listener {port} 127.0.0.1\nuser root")

    def _here(self, text: str, service: str) -> str:
        for there, here in (
            ("/certificates/", f"{self._folder}/certificates/"),
            ("/stock.csv", str(DEPLOY / "compose" / "stock.csv")),
            ("/etc/kardus/", f"{self._folder}/"),
            ("/var/lib/kardus", str(self._folder / service)),
            ("8883", str(self.broker.port)),
            ("9464", "0"),
        ):
            text = text.replace(there, here)
        (self._folder / service).mkdir(exist_ok=True)
        text = re.sub(r'^host = "broker"', 'host = "localhost"', text, flags=re.MULTILINE)
        text = re.sub(r"\[health\]\nport = 0\n", "", text)
        return "localhost" if text == "broker" else text


@pytest.mark.slow
def test_the_trial_starts_and_its_receiver_stores_what_its_agent_tells(tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.broker.start()
    try:
        stock = subprocess.run(
            trial.words("stock"), env=trial.environment("stock"), capture_output=True, text=True, check=False
        )
        assert stock.returncode == 0, stock.stderr
        events = tmp_path / "receiver" / "events.sqlite"
        with trial.running("receiver"), trial.running("agent") as agent:
            wait_until(lambda: agent.poll() is not None or _stored(events) >= 15)
            assert agent.poll() is None
        assert _stored(events) >= 15
    finally:
        trial.broker.kill()


def _stored(path: Path) -> int:
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(path)) as database, contextlib.suppress(sqlite3.OperationalError):
        return int(database.execute("SELECT count(*) FROM events").fetchone()[0])
    return 0
