"""Tryton for real: its server with a small warehouse, followed by `kardus-wms sync`."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kardus.mqtt.settings import BrokerSettings
from simulator.demo.broker import free_port, wait_for_port
from tests.brokers import Mosquitto
from tests.faults.load import wait_until
from tests.patience import PATIENCE_S
from tests.publishers import SITE
from warehouse.connectors.sync.service import Sync
from warehouse.connectors.sync.settings import SyncSettings, make_source, read_settings
from warehouse.connectors.sync.source import SourceError
from warehouse.stock.read_back import read_expected

PACKAGES = ("trytond==8.2.1", "trytond-stock==8.2.1", "proteus==8.2.0")
PLACES = 15
PASSWORD = "correct-horse-battery"  # noqa: S105 - of a database that lives for a test
PROGRAM = Path(__file__).with_name("tryton_warehouse.py")
SETUP_S = 900.0
log = logging.getLogger("tryton")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@dataclass(frozen=True)
class Tryton:
    """A running server with PLACES storage locations, a carton of a product of its own at each."""

    python: Path
    config: Path
    port: int
    password_file: Path

    def count(self, location: str, product: str, quantity: int) -> None:
        """Confirm an inventory."""
        words = [self.python, PROGRAM, self.config, "wms", "count", location, product, str(quantity)]
        subprocess.run(list(map(str, words)), check=True, capture_output=True, timeout=SETUP_S)

    def settings(self, folder: Path, **other: str) -> SyncSettings:
        """The configuration that follows it."""
        keys = {"user": "admin", "warehouse": "WH", "password_file": str(self.password_file)} | other
        lines = [f'{key} = "{value}"' for key, value in keys.items()]
        path = folder / "sync.toml"
        head = f'poll_s = 1\n[source]\nkind = "tryton"\nurl = "http://localhost:{self.port}"\ndatabase = "wms"\n'
        path.write_text(head + "\n".join(lines), encoding="utf-8")
        return read_settings(path)


@pytest.fixture(scope="module")
def tryton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    """Installed into an environment of its own."""
    folder = tmp_path_factory.mktemp("tryton")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    programs = folder / "venv" / "bin"
    subprocess.run([programs / "pip", "install", "-q", *PACKAGES], check=True, timeout=SETUP_S)
    password, port, config = folder / "password", free_port(), folder / "trytond.conf"
    password.write_text(PASSWORD, encoding="utf-8")
    password.chmod(0o600)
    config.write_text(
        f"[database]\nuri = sqlite://\npath = {folder}\n[web]\nlisten = localhost:{port}\n", encoding="utf-8"
    )
    (folder / "wms.sqlite").touch()
    words: list[str | Path] = [
        programs / "trytond-admin",
        "-c",
        config,
        "-d",
        "wms",
        "-u",
        "stock",
        "--activate-dependencies",
    ]
    words += ["--email", "admin@example.com"]
    environment = os.environ | {"TRYTONPASSFILE": str(password)}
    subprocess.run(words, check=True, env=environment, stdin=subprocess.DEVNULL, timeout=SETUP_S)
    made = Tryton(programs / "python", config, port, password)
    subprocess.run([*map(str, (made.python, PROGRAM, config, "wms", "make", PLACES))], check=True, timeout=SETUP_S)
    with subprocess.Popen([programs / "trytond", "-c", config, "-d", "wms"], stderr=subprocess.DEVNULL) as server:
        wait_for_port(port, PATIENCE_S)
        yield made
        server.terminate()


def _expected(mosquitto: Mosquitto) -> dict[str, str | None]:
    retained = read_expected(BrokerSettings("127.0.0.1", mosquitto.port), SITE)
    return {code: one.sku for code, one in retained.found.items() if one.managed}


def test_the_expectations_follow_trytons_stock(tryton: Tryton, tmp_path: Path, mosquitto: Mosquitto) -> None:
    settings = tryton.settings(tmp_path)
    source = make_source(settings)
    sync = Sync(BrokerSettings("127.0.0.1", mosquitto.port), SITE, settings, source)
    assert sync.round() is not None, sync.status.problem
    full = {f"A-01-{n}": f"CARTON-{n:02d}" for n in range(1, PLACES + 1)}
    assert _expected(mosquitto) == full
    stopping = threading.Event()

    def follow() -> None:
        while not stopping.is_set():
            sync.round()
            source.wait(stopping, settings.poll_s)

    following = threading.Thread(target=follow)
    following.start()
    try:
        tryton.count("A-01-1", "CARTON-01", 0)  # it has left: Tryton lists it no longer
        tryton.count("A-01-2", "CARTON-02", 3)
        seconds = wait_until(lambda: _expected(mosquitto)["A-01-1"] is None, 10.0, "the last carton has left")
        log.info("the change is expected %.1f s after Tryton has it", seconds)
    finally:
        stopping.set()
        following.join()
        source.close()
    assert _expected(mosquitto) == full | {"A-01-1": None}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("user", "nobody", "401"), ("warehouse", "NONE", "0 warehouses have the code 'NONE'")],
)
def test_what_tryton_refuses_is_told_in_a_line(tryton: Tryton, tmp_path: Path, key: str, value: str, said: str) -> None:
    source = make_source(tryton.settings(tmp_path, **{key: value}))
    with pytest.raises(SourceError) as refused:
        source.read()
    assert said in str(refused.value)
    assert PASSWORD not in str(refused.value)
    source.close()
