"""What a real database may answer: odd types, names twice, locks; nothing of it becomes a code or an order."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.clusters import Cluster
from tests.patience import PATIENCE_S
from tests.warehouse.connectors.sync.wms import SQL, write_database
from warehouse.connectors.sync.settings import make_source, read_settings
from warehouse.connectors.sync.source import SourceError, StockSource, managed_codes
from warehouse.stock.stock_list import StockRules, stock_lines

Asking = Callable[..., StockSource]


@pytest.fixture
def wms(cluster: Cluster) -> str:
    """A database with a location."""
    name = cluster.make_database()
    cluster.execute("CREATE TABLE places (code text); INSERT INTO places VALUES ('A-1')", name)
    return name


@pytest.fixture
def asking(tmp_path: Path, cluster: Cluster, wms: str) -> Iterator[Asking]:
    """Gives a source with these queries."""
    made = []

    def ask(stock: str, managed: str = "SELECT code AS location FROM places", limit_s: float = 60) -> StockSource:
        path = tmp_path / "sync.toml"
        url = cluster.url(wms).replace("postgresql://", "postgresql+psycopg://")
        text = f'[source]\nkind = "sql"\nurl = "{url}"\nlimit_s = {limit_s}\n'
        path.write_text(f"{text}managed = '''{managed}'''\nstock = '''{stock}'''\n", encoding="utf-8")
        made.append(make_source(read_settings(path)))
        return made[-1]

    yield ask
    for source in made:
        source.close()


@pytest.mark.parametrize(
    ("sku", "quantity", "told"),
    [
        ("'T'::char(9)", "2::numeric(9,3)", ("T", 2)),
        ("'T'", "2.5::numeric", ("T", None)),
        ("'T'", "2.9999999999::float8", ("T", 3)),
        ("'T'", "0.0000000001::float8", (None, 0)),
        ("17::bigint", "NULL", ("17", None)),
        ("17::numeric(12,2)", "1::smallint", ("17", 1)),
        ("'11111111-1111-1111-1111-111111111111'::uuid", "1", ("11111111-1111-1111-1111-111111111111", 1)),
    ],
)
def test_values_that_say_what_stands_there(asking: Asking, sku: str, quantity: str, told: tuple[object, ...]) -> None:
    rows = asking(f"""SELECT 'A-1'::char(20) AS "LOCATION", {sku} AS "Sku", {quantity} AS "QUANTITY" """).read().stock
    (line,) = stock_lines(rows, StockRules())[0]
    assert (line.location, line.sku, line.quantity) == ("A-1", *told)


@pytest.mark.parametrize(
    ("sku", "quantity"),
    [
        ("'Tea'::bytea", "1"),
        ("ARRAY['Tea']", "1"),
        ("'{\"sku\": 1}'::jsonb", "1"),
        ("date '2026-03-04'", "1"),
        ("interval '1 day'", "1"),
        ("17.5::numeric", "1"),
        ("true", "1"),
        ("'NaN'::numeric", "1"),
        ("'Tea'", "'Infinity'::numeric"),
        ("'Tea'", "'-Infinity'::float8"),
        ("'Tea'", "'NaN'::numeric"),
        ("'Tea'", "-2"),
        ("'Tea'", "1e5000::numeric"),
        ("'Tea'", "1e300::numeric"),
        ("'Tea'", "(repeat('9', 5000) || '.5')::numeric"),
        ("1e5000::numeric", "1"),
        ("repeat('9', 5000)::numeric", "1"),
        ("'Tea'", "'2.5'::text"),
    ],
)
def test_values_that_are_no_name_or_no_quantity_leave_their_location_alone(
    asking: Asking, sku: str, quantity: str
) -> None:
    rows = asking(f"SELECT 'A-1' AS location, {sku} AS sku, {quantity} AS quantity").read().stock
    lines, problems, unclear = stock_lines(rows, StockRules())
    assert (lines, unclear) == ([], {"A-1"})
    assert len(problems) == 1
    assert "\n" not in problems[0]


@pytest.mark.parametrize("code", ["7.5::float8", "'A'::bytea", "ARRAY['A']", "true", "date '2026-03-04'", "NULL"])
def test_a_managed_location_whose_code_is_no_text_is_the_answers_fault(asking: Asking, code: str) -> None:
    with pytest.raises(SourceError, match=r"source\.managed: .*location"):
        asking("SELECT '' AS location, '' AS sku", f"SELECT {code} AS location").read()


def test_a_column_that_is_there_twice_is_named(asking: Asking) -> None:
    with pytest.raises(SourceError, match=r"source\.stock: has two columns 'sku'"):
        asking("SELECT code AS location, 'Tea' AS sku, 'Milk' AS \"SKU\" FROM places").read()


def test_a_query_is_sent_as_it_is_written(asking: Asking) -> None:
    stock = "SELECT code AS location, ' :Tea %s 100%' || '\\:x'::text AS sku FROM places WHERE code LIKE 'A%'"
    assert asking(stock).read().stock[0].values["sku"] == ":Tea %s 100%\\:x"


def test_texts_of_a_database_without_an_encoding(cluster: Cluster, asking: Asking, wms: str) -> None:
    cluster.execute(f"ALTER DATABASE {wms} RENAME TO {wms}_other")
    cluster.execute(f"CREATE DATABASE {wms} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    cluster.execute("SELECT 1", wms)
    utf8, latin = ("SELECT 'A-1' AS location, E'" + text + "' AS sku" for text in ("T\\xc3\\xa9", "T\\xe9"))
    managed = "SELECT 'A-1' AS location"
    assert asking(utf8, managed).read().stock[0].values["sku"] == "Té"
    with pytest.raises(SourceError, match="invalid byte sequence"):
        asking(latin, managed).read()


def test_dates_beside_what_is_asked_for_are_read_whatever_their_style(
    cluster: Cluster, asking: Asking, wms: str
) -> None:
    cluster.execute(f"ALTER DATABASE {wms} SET datestyle = 'German, DMY'")
    stock = "SELECT code AS location, 'Tea' AS sku, now() AS changed, current_date AS counted FROM places"
    assert asking(stock).read().stock[0].values["sku"] == "Tea"


def test_a_table_that_is_locked_is_said_in_time_and_read_when_it_is_free(
    cluster: Cluster, asking: Asking, wms: str
) -> None:
    source = asking("SELECT code AS location, 'Tea' AS sku FROM places", limit_s=1)
    with psycopg.connect(cluster.url(wms)) as other:
        other.execute("LOCK TABLE places IN ACCESS EXCLUSIVE MODE")
        for _ in range(2):
            with pytest.raises(SourceError, match=r"statement timeout|no answer within 1 s|isn't answered"):
                source.read()
        waiting = asking("SELECT code AS location, 'Tea' AS sku FROM places")
        threading.Timer(0.3, waiting.stop).start()
        began_s = time.monotonic()
        with pytest.raises(SourceError, match="isn't wanted any more"):
            waiting.read()
        assert time.monotonic() - began_s < PATIENCE_S
    assert [row.values["sku"] for row in source.read().stock] == ["Tea"]


def test_both_queries_of_sqlite_are_of_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "wms.sqlite"
    write_database(file, {"A-1": ("Tea", 1), "A-2": None})
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode = WAL")
    text = f'[source]\nkind = "sql"\nurl = "sqlite:///{file}"\n{SQL}'
    (tmp_path / "sync.toml").write_text(text, encoding="utf-8")
    source = make_source(read_settings(tmp_path / "sync.toml"))

    def and_then_it_changes(rows: Iterable[Mapping[str, Any]], question: str) -> tuple[str, ...]:
        codes = managed_codes(rows, question)
        write_database(file, {"A-1": None, "B-1": ("Milk", 1)})
        return codes

    monkeypatch.setattr("warehouse.connectors.sync.sql.managed_codes", and_then_it_changes)
    found = source.read()
    assert found.managed == ("A-1", "A-2")
    assert [row.values["location"] for row in found.stock] == ["A-1"]
    source.close()


@pytest.mark.parametrize("value", ["'infinity'::timestamptz", "'0044-03-15 BC'::date", "'24:00'::time"])
def test_dates_that_no_calendar_here_has_are_a_line_with_what_to_do(asking: Asking, value: str) -> None:
    with pytest.raises(SourceError, match="leave that column out of the query, or cast it to text"):
        asking(f"SELECT code AS location, 'Tea' AS sku, {value} AS best_before FROM places").read()  # noqa: S608


@pytest.mark.parametrize("error", [RuntimeError, KeyError, ArithmeticError])
def test_what_a_driver_raises_in_its_own_words_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    """As PyMySQL, where it lacks the package that a password's form takes."""
    path = tmp_path / "sync.toml"
    path.write_text(f'[source]\nkind = "sql"\nurl = "sqlite:///{tmp_path}/wms.sqlite"\n{SQL}', encoding="utf-8")
    source = make_source(read_settings(path))

    def connect(*_: object, **__: object) -> None:
        raise error("'cryptography' package is required")

    monkeypatch.setattr("sqlite3.dbapi2.connect", connect)
    with pytest.raises(SourceError, match="'cryptography' package is required"):
        source.read()
