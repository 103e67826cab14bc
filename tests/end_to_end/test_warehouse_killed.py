"""Receivers, their database and what follows the WMS, killed at random under load.

Two receivers of a group and `kardus-wms sync` run as systemd runs them: whoever ends is started again. The WMS is a
database of the same server, whose stock changes all the while. At the end every event is stored, none twice, and what
the broker retains is what the WMS says.
"""

import json
import logging
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psycopg
import pytest

from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.clusters import Cluster, running_cluster
from tests.patience import wait_until
from tests.publishers import SITE, Publisher
from warehouse.stock.read_back import read_expected
from warehouse.store.address import address_of
from warehouse.store.checking import check_database
from warehouse.store.opening import open_database
from warehouse.store.reader import StoreReader

AGENTS = 3
PLACES = 400
"""So many that what leaves the shelves while nobody follows is no fifth of them, however long that is here."""
RECEIVERS = ("one", "two")
DATABASE, SYNC = "database", "sync"
SOURCE = """poll_s = 1
[source]
kind = "sql"
url = "{url}"
managed = "SELECT code AS location FROM places"
stock = "SELECT place AS location, sku, 1 AS quantity FROM quants"
listen = "stock"
"""
log = logging.getLogger("kills")


@dataclass
class Warehouse:
    """What runs, and how it is started again."""

    cluster: Cluster
    broker: Mosquitto
    folder: Path
    name: str
    """Of the store's database."""
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Of the store."""
        return self.cluster.url(self.name)

    def start(self, name: str) -> None:
        """A receiver, or what follows the WMS."""
        words = ["receive", "--database", self.url, "--pictures", self.folder / "pictures", "--group", "team"]
        words = ["sync", self.folder / "sync.toml"] if name == SYNC else [*words, "--name", name]
        words += ["--site", SITE, "--host", "127.0.0.1", "--port", self.broker.port]
        command = [sys.executable, "-m", "warehouse", *map(str, words)]
        with (self.folder / f"{name}.log").open("ab") as said:
            self.running[name] = subprocess.Popen(command, stdout=said, stderr=said)

    def keep_running(self) -> None:
        """Start again what has ended by itself: a receiver without a database says so and ends."""
        for name, process in list(self.running.items()):
            if process.poll() is not None:
                self.start(name)

    def kill(self, victim: str) -> None:
        """At once, as a power cut would."""
        if victim == DATABASE:
            self.cluster.kill()
            self.cluster.start()
            return
        self.running[victim].send_signal(signal.SIGKILL)
        self.running[victim].wait()
        self.start(victim)

    def stored(self) -> int:
        """How many events; 0 while the database can't say."""
        with suppress(psycopg.Error):
            return int(str(self.cluster.execute("SELECT count(*) FROM events", self.name)[0][0]))
        return 0


@contextmanager
def _warehouse(folder: Path) -> Iterator[Warehouse]:
    broker = Mosquitto(folder / "roomy", "max_queued_messages 0\n")
    broker.start()
    with running_cluster(durable=True) as cluster:
        found = Warehouse(cluster, broker, folder, cluster.make_database("kardus_template"))
        wms = cluster.make_database()
        cluster.execute("CREATE TABLE places (code text); CREATE TABLE quants (place text, sku text)", wms)
        cluster.execute(f"INSERT INTO places SELECT 'A-' || n FROM generate_series(1, {PLACES}) n", wms)  # noqa: S608 - a constant
        cluster.execute("INSERT INTO quants SELECT code, 'Tea' FROM places", wms)
        url = cluster.url(wms).replace("postgresql://", "postgresql+psycopg://")
        (folder / "sync.toml").write_text(SOURCE.format(url=url), encoding="utf-8")
        for name in (*RECEIVERS, SYNC):
            found.start(name)
        try:
            for name in RECEIVERS:
                broker.wait_for_subscription(f"kardus-receive-{SITE}-{name}")
            yield found
        finally:
            for process in found.running.values():
                process.kill()
                process.wait()
            broker.kill()


class _Load:
    """Events of agents, and changes of the WMS's stock, until it is stopped."""

    def __init__(self, warehouse: Warehouse, seed: int) -> None:
        self.agents = [Publisher(f"box-{n}") for n in range(AGENTS)]
        self._warehouse, self._rng = warehouse, random.Random(seed)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=run) for run in (self._decide, self._move)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _decide(self) -> None:
        with MqttClient(BrokerSettings("127.0.0.1", self._warehouse.broker.port)) as connection:
            while not self._over.wait(0.3):
                connection.publish([event for agent in self.agents for event in agent.events(10)], retain=False)

    def _move(self) -> None:
        url = (self._warehouse.folder / "sync.toml").read_text(encoding="utf-8").split('"')[3]
        while not self._over.wait(0.2):
            place = f"A-{self._rng.randrange(1, PLACES + 1)}"
            with suppress(psycopg.Error), psycopg.connect(url.replace("+psycopg", "")) as connection:
                if self._rng.random() < 0.3:
                    connection.execute("DELETE FROM quants WHERE place = %s", [place])
                else:
                    connection.execute("DELETE FROM quants WHERE place = %s", [place])
                    connection.execute("INSERT INTO quants VALUES (%s, %s)", [place, f"SKU-{self._rng.random():.6f}"])
                connection.execute("NOTIFY stock")


def _truth(warehouse: Warehouse) -> dict[str, str | None]:
    url = (warehouse.folder / "sync.toml").read_text(encoding="utf-8").split('"')[3].replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT code, sku FROM places LEFT JOIN quants ON place = code").fetchall()
    return dict(found)


def _retained(warehouse: Warehouse) -> dict[str, str | None]:
    found = read_expected(BrokerSettings("127.0.0.1", warehouse.broker.port), SITE).found
    return {code: expected.sku for code, expected in found.items() if expected.managed}


@pytest.mark.timeout(5400)
@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.slow)])
def test_whatever_is_killed_nothing_is_lost_or_stored_twice_and_the_expectations_end_as_the_wms_says(
    kills: int, tmp_path: Path
) -> None:
    rng = random.Random(kills)
    victims = [*RECEIVERS, DATABASE, SYNC]
    chosen = victims if kills == len(victims) else rng.choices(victims, k=kills)
    with _warehouse(tmp_path) as warehouse:
        with _Load(warehouse, kills) as load:
            for victim in chosen:
                before = warehouse.stored()
                wait_until(lambda before=before: _goes_on(warehouse, before))  # type: ignore[misc]
                time.sleep(rng.uniform(0, 0.3))  # the moment is what is random here
                warehouse.kill(victim)
        total = sum(agent.sequence for agent in load.agents)
        wait_until(lambda: _goes_on(warehouse, total - 1))
        wait_until(lambda: _follows(warehouse))
        with open_database(warehouse.url, make=False) as opened:
            assert StoreReader(opened).missing_events() == []
        times = Counter(str(id_) for (id_,) in warehouse.cluster.execute("SELECT id FROM events", warehouse.name))
        sent = {id_ for agent in load.agents for id_ in agent.ids}
        score = {
            "kills": dict(Counter(chosen)),
            "committed": len(sent),
            "lost": len(sent - times.keys()),
            "duplicated": sum(count - 1 for count in times.values()),
        }
        log.info("%s", json.dumps(score))
        assert (score["lost"], score["duplicated"], len(times)) == (0, 0, total)
        assert check_database(address_of(warehouse.url)).problems == []


def _goes_on(warehouse: Warehouse, before: int) -> bool:
    warehouse.keep_running()
    return warehouse.stored() > before


def _follows(warehouse: Warehouse) -> bool:
    warehouse.keep_running()
    return _retained(warehouse) == _truth(warehouse)
