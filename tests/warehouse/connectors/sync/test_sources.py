"""Each source against the same contract, and each with what is its own."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from kardus.support.errors import UsageError
from tests.patience import PATIENCE_S
from tests.warehouse.connectors.sync.erpnext_stand_in import erpnext
from tests.warehouse.connectors.sync.odoo_stand_in import odoo
from tests.warehouse.connectors.sync.sftp_server import sftp_server
from tests.warehouse.connectors.sync.source_keys import erpnext_keys, odoo_keys, sftp_keys
from tests.warehouse.connectors.sync.wms import HTTP, SQL, Stock, Web, pages_of, web, write_database, write_list
from warehouse.connectors.sync.settings import SyncSettings, make_source, read_settings
from warehouse.connectors.sync.source import SourceError, StockSource
from warehouse.stock.stock_list import StockLine, StockRules, stock_lines

STOCK: Stock = {"A/1": ("Tea", 2), "A-2": None, "Zürich 3": ("Milk", 1)}
Put = Callable[[Stock], None]


def settings_of(folder: Path, text: str) -> SyncSettings:
    """The settings of a file with this text."""
    path = folder / "sync.toml"
    path.write_text(text, encoding="utf-8")
    return read_settings(path)


@pytest.fixture
def server() -> Iterator[Web]:
    """A WMS that speaks HTTP."""
    with web() as state:
        yield state


@pytest.fixture(params=["sql", "http", "folder", "sftp", "odoo 16", "odoo 19", "erpnext"])
def wms(request: pytest.FixtureRequest, tmp_path: Path, server: Web) -> Iterator[tuple[StockSource, Put]]:
    """A source, and what puts stock into its WMS."""
    kind = request.param
    with ExitStack() as running:
        text, put = _server(kind, tmp_path, running) if kind in SERVERS else _own(kind, tmp_path, server)
        put({})
        source = make_source(settings_of(tmp_path, f"[source]\n{text}"))
        yield source, put
        source.close()


SERVERS = ("sftp", "odoo 16", "odoo 19", "erpnext")


def _server(kind: str, folder: Path, running: ExitStack) -> tuple[str, Put]:
    """The configuration, and what puts stock, of a WMS that is a server of its own."""
    if kind == "sftp":
        drop = running.enter_context(sftp_server(folder))
        return sftp_keys(drop), lambda stock: _put_list(drop.folder, stock)
    if kind == "erpnext":
        shop = running.enter_context(erpnext())
        return erpnext_keys(folder, shop), shop.put
    erp = running.enter_context(odoo(int(kind.split()[1])))
    return odoo_keys(folder, erp), erp.put


def _own(kind: str, tmp_path: Path, server: Web) -> tuple[str, Put]:
    texts = {
        "sql": f'kind = "sql"\nurl = "sqlite:///{tmp_path / "wms.sqlite"}"\n{SQL}',
        "http": f'kind = "http"\n{HTTP.format(url=server.url)}',
        "folder": f'kind = "folder"\nsettle_s = 0\nfolder = "{tmp_path / "lists"}"\n',
    }
    puts: dict[str, Put] = {
        "sql": lambda stock: write_database(tmp_path / "wms.sqlite", stock),
        "http": lambda stock: server.pages.update(pages_of(stock)),
        "folder": lambda stock: _put_list(tmp_path / "lists", stock),
    }
    return texts[kind], puts[kind]


def _put_list(folder: Path, stock: Stock) -> None:
    write_list(folder, stock)


def lines_of(source: StockSource) -> dict[str, StockLine]:
    """What a source says, as lines of stock by location."""
    snapshot = source.read()
    found, problems, _ = stock_lines(snapshot.stock, StockRules())
    assert not problems
    return {code: StockLine(code, None) for code in snapshot.managed} | {line.location: line for line in found}


def test_what_stands_where_and_what_is_empty(wms: tuple[StockSource, Put]) -> None:
    source, put = wms
    put(STOCK)
    found = lines_of(source)
    assert {code: (line.sku, line.quantity) for code, line in found.items()} == {
        "A/1": ("Tea", 2),
        "A-2": (None, None),
        "Zürich 3": ("Milk", 1),
    }


def test_a_change_is_in_the_next_answer(wms: tuple[StockSource, Put]) -> None:
    source, put = wms
    put(STOCK)
    assert lines_of(source)["A-2"].sku is None
    put({**STOCK, "A-2": ("Tea", 1), "A/1": None})
    found = lines_of(source)
    assert (found["A-2"].sku, found["A/1"].sku) == ("Tea", None)


def test_waiting_ends_when_it_is_told_to(wms: tuple[StockSource, Put]) -> None:
    source, put = wms
    put(STOCK)
    source.read()
    stopping = threading.Event()
    waiting = threading.Thread(target=source.wait, args=(stopping, 600.0))
    waiting.start()
    stopping.set()
    waiting.join(PATIENCE_S)
    assert not waiting.is_alive()


def test_null_is_no_empty_location(tmp_path: Path) -> None:
    source = make_source(settings_of(tmp_path, f'[source]\nkind = "sql"\nurl = "sqlite:///{tmp_path / "w"}"\n{SQL}'))
    write_database(tmp_path / "w", {"A": ("Tea", 1)})
    with closing(sqlite3.connect(tmp_path / "w")) as database, database:
        database.execute("UPDATE quants SET sku = NULL")
    rows = source.read().stock
    rules = StockRules()
    assert stock_lines(rows, rules)[2] == {"A"}
    source.close()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("place AS spot, sku", "no 'location' in it (has sku, spot)"),
        ("place AS location", "no 'sku' in it (has location)"),
        ("missing AS location, sku", "no such column: missing"),
    ],
)
def test_a_query_that_is_wrong_is_told_in_a_line(tmp_path: Path, columns: str, said: str) -> None:
    write_database(tmp_path / "w", STOCK)
    text = SQL.replace("place AS location, sku, amount AS quantity", columns)
    source = make_source(settings_of(tmp_path, f'[source]\nkind = "sql"\nurl = "sqlite:///{tmp_path / "w"}"\n{text}'))
    with pytest.raises(SourceError) as refused:
        source.read()
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    source.close()


def test_numbers_of_a_database_and_floats(tmp_path: Path) -> None:
    write_database(tmp_path / "w", {"7": ("123", 3)})
    with closing(sqlite3.connect(tmp_path / "w")) as database, database:
        database.execute("CREATE TABLE n (location INTEGER, sku REAL, quantity REAL)")
        database.execute("INSERT INTO n VALUES (7, 4006381333931.5, 2.0)")
    text = SQL.replace("place AS location, sku, amount AS quantity FROM quants", "location, sku, quantity FROM n")
    source = make_source(settings_of(tmp_path, f'[source]\nkind = "sql"\nurl = "sqlite:///{tmp_path / "w"}"\n{text}'))
    row = source.read().stock[0]
    assert (row.values["location"], row.values["quantity"]) == ("7", "2")
    assert "is a number with a fraction" in row.problems[0]
    source.close()


def test_pages_are_followed_and_an_etag_spares_the_answer(tmp_path: Path, server: Web) -> None:
    server.pages |= pages_of(STOCK) | {"/more": {"items": [{"at": "A-2", "item": "Juice", "n": 4}]}}
    server.headers = {"/quants": {"Link": '</more>; rel="next"'}, "/places": {"ETag": '"1"'}}
    source = make_source(settings_of(tmp_path, f'[source]\nkind = "http"\n{HTTP.format(url=server.url)}'))
    for _ in range(2):
        assert lines_of(source)["A-2"].sku == "Juice"
    places = [headers for path, headers in server.asked if path == "/places"]
    assert "if-none-match" not in places[0]
    assert places[1]["if-none-match"] == '"1"'
    source.close()


def test_headers_and_tokens_come_from_files(tmp_path: Path, server: Web) -> None:
    for name, text in (("headers", "X-Api-Key: k1\n"), ("secret", "s3cret\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    server.pages |= pages_of(STOCK) | {"/token": {"access_token": "t1", "token_type": "Bearer", "expires_in": 3600}}
    server.needs = {"X-Api-Key": "k1", "Authorization": "Bearer t1"}
    more = (
        f'headers_file = "{tmp_path}/headers"\n[source.oauth]\ntoken_url = "{server.url}/token"\nclient_id = "kardus"\n'
    )
    more += f'client_secret_file = "{tmp_path}/secret"\n'
    source = make_source(settings_of(tmp_path, f'[source]\nkind = "http"\n{HTTP.format(url=server.url)}{more}'))
    for _ in range(2):
        assert lines_of(source)["A/1"].sku == "Tea"
    assert [path for path, _ in server.asked].count("/token") == 1
    source.close()


@pytest.mark.parametrize(
    ("page", "status", "said"),
    [
        (b"<html>", 200, "isn't JSON"),
        ({"items": 5}, 200, "finds no list"),
        ({"items": [{"code": None}]}, 200, "has no code"),
        ({"items": [1, 2]}, 200, "no code"),
        ({"items": []}, 503, "the server says 503"),
    ],
)
def test_nonsense_over_http_is_told_in_a_line(
    tmp_path: Path, server: Web, page: object, status: int, said: str
) -> None:
    server.pages |= pages_of(STOCK) | {"/places": page}
    server.status = status
    source = make_source(settings_of(tmp_path, f'[source]\nkind = "http"\n{HTTP.format(url=server.url)}'))
    with pytest.raises(SourceError) as refused:
        source.read()
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    source.close()


def test_the_newest_whole_list_counts_and_another_one_wakes(tmp_path: Path) -> None:
    folder = tmp_path / "lists"
    old = write_list(folder, {"A": ("Tea", 1)}, "1.csv")
    os.utime(old, (1, 1))
    write_list(folder, STOCK, "2.csv")
    (folder / "3.csv.part").write_text("location,sku\n", encoding="utf-8")
    source = make_source(settings_of(tmp_path, f'[source]\nkind = "folder"\nsettle_s = 0\nfolder = "{folder}"\n'))
    assert set(lines_of(source)) == set(STOCK)
    woken = threading.Thread(target=source.wait, args=(threading.Event(), 600.0))
    woken.start()
    path = write_list(folder, {**STOCK, "B": None}, "3.csv")
    os.utime(path, ns=(time.time_ns() + 10**9, time.time_ns() + 10**9))
    woken.join(PATIENCE_S)
    assert not woken.is_alive()
    assert "B" in lines_of(source)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "source: missing: add it (see docs/wms.md)"),
        ('[source]\nkind = "sap"\n', "source: input tag 'sap'"),
        (f'[source]\nkind = "sql"\nurl = "sqlite://"\nother = 1\n{SQL}', "source.other: no such key: see docs/wms.md"),
        ('[source]\nkind = "sql"\nurl = "sqlite://"\nmanaged = ""\nstock = "x"\n', "source.managed = '': "),
        (f'[source]\nkind = "http"\n{HTTP.format(url="ftp://x")}', "source.managed_url = 'ftp://x/places': no address"),
        (
            f'[source]\nkind = "http"\n{HTTP.format(url="http://u:p@x")}',
            "source.managed_url = 'http://...@x/places': leave name and password out",
        ),
        (
            f'poll_s = 0\n[source]\nkind = "sql"\nurl = "sqlite://"\n{SQL}',
            "poll_s = 0: input should be",
        ),
    ],
)
def test_a_wrong_key_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        settings_of(tmp_path, text)
    assert f"sync.toml: {said}" in str(refused.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "no address of a database"),
        ("postgresql+psycopg://u:p@h/d", "leave the password out"),
        ("mysql+nosuchdriver://u@h/d", "no driver for mysql+nosuchdriver"),
    ],
)
def test_an_address_of_a_database_that_cannot_be_used(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("+", r"\+")):
        make_source(settings_of(tmp_path, f'[source]\nkind = "sql"\nurl = "{url}"\n{SQL}'))


def test_only_postgresql_notifies(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="only PostgreSQL notifies"):
        make_source(settings_of(tmp_path, f'[source]\nkind = "sql"\nurl = "sqlite://"\nlisten = "c"\n{SQL}'))


def test_the_example_is_valid() -> None:
    example = Path(__file__).parents[4] / "deploy" / "examples" / "sync.toml"
    assert read_settings(example).source.kind == "folder"
