"""The database that `kardus-wms deliver` works in: not there, on a full disk, and written by three at once."""

import json
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from simulator.demo.broker import free_port
from tests.brokers import Mosquitto
from tests.clusters import Cluster
from tests.conftest import BIN, run_command
from tests.faults.disks import memory_disk
from tests.patience import PATIENCE_S, wait_until
from tests.publishers import SITE, Publisher
from tests.warehouse.connectors.deliver.making import settings_of, told_of
from tests.warehouse.connectors.deliver.rigs import WebhookRig
from tests.warehouse.receiving.making import write
from warehouse.console.identity.scopes import SCOPES
from warehouse.console.identity.tokens import make_token
from warehouse.store.checking import check_database
from warehouse.store.opening import open_database
from warehouse.store.reader import StoreReader

EVENTS = 300


@contextmanager
def _running(*words: object) -> Iterator[subprocess.Popen[str]]:
    command = [str(BIN / "kardus-wms"), *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _fill(disk: Path) -> Path:
    """Leave no room on it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return filler


def test_a_database_that_is_not_there_is_a_line(rig: WebhookRig, tmp_path: Path, cluster: Cluster) -> None:
    settings_of(tmp_path, rig.text)
    nobody = f"postgresql://nobody@127.0.0.1:{free_port()}/kardus?sslmode=disable"
    for where, said in (
        (tmp_path / "none.sqlite", "no such file: name the database of `kardus-wms receive`"),
        (nobody, "check the address, and whether the server runs"),
        (cluster.url("no_such"), "make it with createdb, then run `kardus-wms database migrate`"),
        (cluster.url("postgres"), "run `kardus-wms database migrate` as their owner"),
    ):
        done = run_command("kardus-wms", "deliver", tmp_path / "deliver.toml", "--database", where, check=1)
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "none.sqlite").exists()


@pytest.mark.root
def test_a_full_disk_is_said_at_the_start_and_waited_out_while_it_runs(rig: WebhookRig, tmp_path: Path) -> None:
    settings_of(tmp_path, rig.text)
    box = Publisher()
    with memory_disk(tmp_path / "disk", "4m") as disk:
        path = disk / "k.sqlite"
        with open_database(path, make=True) as database:
            write(database, *(told_of(box, f"A-{n}", "Milk") for n in range(2)))
        filler = _fill(disk)
        done = run_command("kardus-wms", "deliver", tmp_path / "deliver.toml", "--database", path, check=1)
        assert done.stderr.splitlines()[-1].endswith("or check the disk")
        assert "Traceback" not in done.stderr
        filler.unlink()
        port = free_port()
        words = ("deliver", tmp_path / "deliver.toml", "--database", path, "--health", f"127.0.0.1:{port}")
        with _running(*words) as process:
            wait_until(lambda: len(rig.told()) == 2)
            with open_database(path, make=False) as database:
                write(database, told_of(box, "A-2", "Milk"))
            filler = _fill(disk)
            wait_until(lambda: "full" in _problem(port), "the page says so")
            filler.unlink()
            wait_until(lambda: not _problem(port) and len(rig.told()) == 3, "it goes on")
            process.terminate()
            said = process.communicate(timeout=PATIENCE_S)[1]
        assert process.returncode == 0
        assert "Traceback" not in said
        assert rig.told() == [(f"A-{n}", "Milk") for n in range(3)]


def _problem(port: int) -> str:
    try:
        return str(httpx2.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S).json()["partner"]["problem"])
    except httpx2.TransportError:
        return "not there yet"


def test_receiver_server_and_deliverer_write_one_file_at_once(
    rig: WebhookRig, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    """Each a process of its own, as on a small site: nothing is lost, told twice or refused."""
    settings_of(tmp_path, rig.text)
    path, port, box = tmp_path / "k.sqlite", free_port(), Publisher()
    broker = ("--host", "127.0.0.1", "--port", mosquitto.port)
    with open_database(path, make=True) as database:
        token = make_token(database, "tests", SCOPES, None)
        write(database, told_of(box, "A-0", "Milk"))
    receive = ("receive", "--database", path, "--site", SITE, *broker, "--name", "one", "--json")
    serve = ("serve", "--database", path, "--listen", f"127.0.0.1:{port}")
    deliver = ("deliver", tmp_path / "deliver.toml", "--database", path, "--json")
    with _running(*receive) as one, _running(*serve) as two, _running(*deliver) as three:
        mosquitto.wait_for_subscription(f"kardus-receive-{SITE}-one")
        publishing = threading.Thread(target=_publish, args=(mosquitto.port, box))
        publishing.start()
        answers = _commented(port, token, lambda: len(rig.told()) > EVENTS)
        publishing.join()
        for process in (one, two, three):
            process.terminate()
        said = [process.communicate(timeout=PATIENCE_S) for process in (one, two, three)]
    assert [process.returncode for process in (one, two, three)] == [0, 0, 0], said
    assert set(answers) <= {200, 201}
    assert len(rig.told()) == EVENTS + 1
    last = json.loads(said[2][0].splitlines()[-1])["targets"]["partner"]
    assert (last["delivered"], last["refused"], last["problem"]) == (EVENTS + 1, 0, "")
    with open_database(path, make=False) as database:
        assert sorted(one.envelope.id for one in StoreReader(database).events()) == sorted(box.ids)
    assert check_database(database.address).problems == []
    with closing(sqlite3.connect(path)) as stored:
        assert stored.execute("SELECT count(*) FROM comments").fetchone()[0] == answers.count(201)


def _publish(port: int, box: Publisher) -> None:
    events = [told_of(box, f"A-{n}", "Milk") for n in range(1, EVENTS + 1)]
    with MqttClient(BrokerSettings("127.0.0.1", port)) as connection:
        connection.publish(events, retain=False)


def _commented(port: int, token: str, is_over: Callable[[], bool]) -> list[int]:
    """What the server answers to whoever reads and writes until then."""
    answers: list[int] = []
    base, headers = f"http://127.0.0.1:{port}/api/v1", {"Authorization": f"Bearer {token}"}
    wait_until(lambda: _answers(f"{base}/events", headers))
    with httpx2.Client(base_url=base, headers=headers, timeout=PATIENCE_S) as client:
        deadline_s = time.monotonic() + PATIENCE_S
        while not is_over():
            assert time.monotonic() < deadline_s, f"not all are told: {answers}"
            said = {"text": "seen", "by": "tests", "id": str(uuid4())}
            answers += [
                client.get("/events?limit=100").status_code,
                client.post("/alerts/alert-A-0/comments", json=said).status_code,
            ]
            time.sleep(0.1)
    return answers


def _answers(address: str, headers: dict[str, str]) -> bool:
    try:
        return httpx2.get(address, headers=headers).status_code == 200
    except httpx2.TransportError:
        return False
