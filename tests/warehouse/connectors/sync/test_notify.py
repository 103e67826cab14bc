"""PostgreSQL as the WMS's database: a NOTIFY is followed at once, also after the database was away."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clusters import Cluster
from tests.patience import PATIENCE_S
from warehouse.connectors.sync.settings import make_source, read_settings
from warehouse.connectors.sync.source import SourceError, StockSource
from warehouse.connectors.sync.sql import SqlSource

QUERIES = """
managed = "SELECT code AS location FROM places"
stock = "SELECT place AS location, sku, amount AS quantity FROM quants"
"""


@pytest.fixture
def wms(cluster: Cluster) -> str:
    """A database in which every change of stock is told on a channel with a name that must be quoted."""
    name = cluster.make_database()
    for statement in (
        "CREATE TABLE places (code text PRIMARY KEY)",
        "CREATE TABLE quants (place text, sku text, amount numeric(12, 3))",
        "INSERT INTO places VALUES ('A-1'), ('A-2')",
        "INSERT INTO quants VALUES ('A-1', 'Tea', 2.000)",
        """CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN NOTIFY "Stock changed"; RETURN NULL; END $$""",
        "CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON quants EXECUTE FUNCTION tell()",
    ):
        cluster.execute(statement, name)
    return name


@pytest.fixture
def source(tmp_path: Path, cluster: Cluster, wms: str) -> Iterator[StockSource]:
    """Listens."""
    path = tmp_path / "sync.toml"
    url = cluster.url(wms).replace("postgresql://", "postgresql+psycopg://")
    text = f'[source]\nkind = "sql"\nurl = "{url}"\nlisten = "Stock changed"\n'
    path.write_text(text + QUERIES, encoding="utf-8")
    found = make_source(read_settings(path))
    yield found
    found.close()


def _stock(source: StockSource) -> dict[str, tuple[str, str]]:
    return {row.values["location"]: (row.values["sku"], row.values["quantity"]) for row in source.read().stock}


def _waited(source: StockSource) -> float:
    began_s = time.monotonic()
    source.wait(threading.Event(), 10 * PATIENCE_S)
    return time.monotonic() - began_s


def test_a_change_wakes_whoever_waits(source: StockSource, cluster: Cluster, wms: str) -> None:
    assert _stock(source) == {"A-1": ("Tea", "2")}
    _waited(source)  # from now on it listens
    changing = threading.Timer(0.5, cluster.execute, ("INSERT INTO quants VALUES ('A-2', 'Milk', 1)", wms))
    changing.start()
    assert _waited(source) < PATIENCE_S
    changing.join()
    assert _stock(source) == {"A-1": ("Tea", "2"), "A-2": ("Milk", "1")}


def test_what_was_told_between_two_waits_is_not_lost(source: StockSource, cluster: Cluster, wms: str) -> None:
    _waited(source)
    cluster.execute("DELETE FROM quants", wms)
    assert _waited(source) < PATIENCE_S
    assert _stock(source) == {}


def test_connections_that_the_database_ends_are_told_and_made_again(
    source: StockSource, cluster: Cluster, wms: str
) -> None:
    _waited(source)
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    cluster.execute(f"{ended} AND datname = '{wms}'")
    source.wait(threading.Event(), 1.0)
    assert _stock(source) == {"A-1": ("Tea", "2")}
    _waited(source)
    cluster.execute("DELETE FROM quants", wms)
    assert _waited(source) < PATIENCE_S


@pytest.fixture
def standby() -> Iterator[Cluster]:
    """A hot standby with an empty WMS: it answers questions, and refuses LISTEN."""
    found = Cluster()
    try:
        found.start()
        found.execute("CREATE TABLE places (code text); CREATE TABLE quants (place text, sku text, amount int)")
        found.kill(signal.SIGINT)  # orderly: a standby begins where it ended
        (found.data / "standby.signal").touch()
        found.start()
        yield found
    finally:
        found.remove()


def test_a_server_that_refuses_to_be_listened_to_is_asked_at_intervals_and_that_is_said_once(
    standby: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "sync.toml"
    url = standby.url("postgres").replace("postgresql://", "postgresql+psycopg://")
    path.write_text(f'[source]\nkind = "sql"\nurl = "{url}"\nlisten = "changed"\n{QUERIES}', encoding="utf-8")
    deaf = make_source(read_settings(path))
    for _ in range(2):
        assert _stock(deaf) == {}
        began_s = time.monotonic()
        deaf.wait(threading.Event(), 2.0)
        assert time.monotonic() - began_s >= 1.9
    told = [line for line in caplog.messages if "source.listen: " in line]
    assert len(told) == 1
    assert told[0].endswith("cannot execute LISTEN during recovery: it is asked at intervals")
    deaf.close()


def test_a_password_that_is_wrong_and_a_database_that_is_not_there(source: StockSource, tmp_path: Path) -> None:
    assert isinstance(source, SqlSource)
    path = tmp_path / "sync.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("/k", "/nothing_of_this_name_k"), encoding="utf-8")
    other = make_source(read_settings(path))
    with pytest.raises(SourceError) as refused:
        other.read()
    assert "does not exist" in str(refused.value)
    assert "\n" not in str(refused.value)
    other.close()


@pytest.mark.parametrize(
    ("url", "given", "said"),
    [
        (
            "wms_reader@127.0.0.1:{port}/{name}?sslmode=disable",
            "wrong",
            "correct the user in source.url, and source.password_file",
        ),
        (
            "nobody@127.0.0.1:{port}/{name}?sslmode=disable",
            "right",
            "correct the user in source.url, and source.password_file",
        ),
        ("wms_reader@127.0.0.1:{port}/none?sslmode=disable", "right", "correct the database's name in source.url"),
        ("wms_reader@127.0.0.1:{port}/{name}?sslmode=disable", "right", "give the user the right to read it"),
        ("wms_reader@127.0.0.1:9/{name}?sslmode=disable", "right", "check source.url, and whether the server runs"),
    ],
)
def test_who_is_not_let_in_is_told_in_a_line_without_the_password(
    tmp_path: Path, cluster: Cluster, wms: str, *, url: str, given: str, said: str
) -> None:
    cluster.execute("CREATE ROLE wms_reader LOGIN PASSWORD 'right'")
    try:
        path, secret = tmp_path / "sync.toml", tmp_path / "password"
        secret.write_text(f"{given}\n", encoding="utf-8")
        secret.chmod(0o600)
        address = f"postgresql+psycopg://{url.format(port=cluster.port, name=wms)}"
        keys = f'kind = "sql"\nurl = "{address}"\npassword_file = "{secret}"\n'
        path.write_text(f"[source]\n{keys}{QUERIES}", encoding="utf-8")
        source = make_source(read_settings(path))
        with pytest.raises(SourceError) as refused:
            source.read()
        source.close()
        assert str(refused.value).endswith(said)
        assert "\n" not in str(refused.value)
        assert given not in str(refused.value).removesuffix(said)
    finally:
        cluster.execute("DROP ROLE wms_reader")
