"""Tryton for real: its server with a small warehouse, followed by `kardus-wms sync`."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kardus.mqtt.settings import BrokerSettings
from tests.brokers import Mosquitto
from tests.faults.load import wait_until
from tests.publishers import SITE
from tests.tryton import PASSWORD, USER, Tryton, running_tryton
from warehouse.connectors import tryton_rpc
from warehouse.connectors.sync.service import Sync
from warehouse.connectors.sync.settings import SyncSettings, make_source, read_settings
from warehouse.connectors.sync.source import SourceError
from warehouse.stock.read_back import read_expected
from warehouse.stock.stock_list import StockRules, stock_lines

PLACES = 15
FULL = {f"A-01-{n}": f"CARTON-{n:02d}" for n in range(1, PLACES + 1)}
log = logging.getLogger("tryton")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def _settings(tryton: Tryton, folder: Path, **other: str) -> SyncSettings:
    """The configuration that follows it."""
    keys = {"user": USER, "warehouse": "WH", "password_file": str(tryton.password_file)} | other
    lines = [f'{key} = "{value}"' for key, value in keys.items()]
    path = folder / "sync.toml"
    head = f'poll_s = 1\n[source]\nkind = "tryton"\nurl = "{tryton.url}"\ndatabase = "wms"\n'
    path.write_text(head + "\n".join(lines), encoding="utf-8")
    return read_settings(path)


@pytest.fixture(scope="module")
def tryton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    """A carton of a product of its own at each of PLACES locations."""
    with running_tryton(tmp_path_factory.mktemp("tryton"), FULL, list(FULL.values())) as found:
        yield found


def _expected(mosquitto: Mosquitto) -> dict[str, str | None]:
    retained = read_expected(BrokerSettings("127.0.0.1", mosquitto.port), SITE)
    return {code: one.sku for code, one in retained.found.items() if one.managed}


def test_the_expectations_follow_trytons_stock(tryton: Tryton, tmp_path: Path, mosquitto: Mosquitto) -> None:
    settings = _settings(tryton, tmp_path)
    source = make_source(settings)
    sync = Sync(BrokerSettings("127.0.0.1", mosquitto.port), SITE, settings, source)
    assert sync.round() is not None, sync.status.problem
    assert _expected(mosquitto) == FULL
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
    assert _expected(mosquitto) == FULL | {"A-01-1": None}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("user", "nobody", "401"), ("warehouse", "NONE", "0 warehouses have the code 'NONE'")],
)
def test_what_tryton_refuses_is_told_in_a_line(tryton: Tryton, tmp_path: Path, key: str, value: str, said: str) -> None:
    source = make_source(_settings(tryton, tmp_path, **{key: value}))
    with pytest.raises(SourceError) as refused:
        source.read()
    assert said in str(refused.value)
    assert PASSWORD not in str(refused.value)
    source.close()


def test_an_archived_product_and_one_without_a_code_are_not_nothing_and_pages_go_on_by_number(
    tryton: Tryton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tryton_rpc, "PAGE", 2)
    with closing(sqlite3.connect(tryton.password_file.with_name("wms.sqlite"))) as database, database:
        database.execute("UPDATE product_product SET active = 0 WHERE code = 'CARTON-03'")
        database.execute("UPDATE product_product SET code = NULL WHERE code = 'CARTON-04'")
    source = make_source(_settings(tryton, tmp_path))
    snapshot = source.read()
    source.close()
    lines, problems, unclear = stock_lines(snapshot.stock, StockRules(blank_is_empty=True))
    assert set(snapshot.managed) == set(FULL)
    assert {line.location: line.sku for line in lines}["A-01-3"] == "CARTON-03"
    assert unclear == {"A-01-4"}
    assert "has no code: give it one in the WMS" in problems[0]
