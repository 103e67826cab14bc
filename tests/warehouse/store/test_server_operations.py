"""PostgreSQL as an administrator runs it: TLS with an authority of the house, a full disk, backup and restore."""

import os
import pwd
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import pytest

from kardus.support.errors import DataError
from tests.clusters import Cluster, programs, running_cluster
from tests.faults.disks import memory_disk
from tests.publishers import SITE, Publisher
from tests.warehouse.receiving.making import write, writer_of
from warehouse.authority.certificates import make_authority, make_certificate
from warehouse.receiving.parsing import parse_message
from warehouse.store.address import address_of
from warehouse.store.checking import check_database
from warehouse.store.database import StoreError
from warehouse.store.opening import open_database
from warehouse.store.reader import StoreReader

HOST = "db.example"


@pytest.fixture
def certificates() -> Iterator[Path]:
    """A folder that the server may read: its certificate and key, the authority, and one that it isn't of."""
    folder = Path(mkdtemp(prefix="tls"))  # those of pytest are the user's alone
    folder.chmod(0o755)
    now = datetime.now(UTC)
    authority = make_authority("house", now, 30)
    pair = make_certificate(authority, HOST, [HOST], now, 10)
    (folder / "ca.crt").write_bytes(authority.certificate_pem())
    (folder / "other.crt").write_bytes(make_authority("house", now, 30).certificate_pem())
    (folder / "server.crt").write_bytes(pair.certificate_pem())
    key = folder / "server.key"
    key.write_bytes(pair.key_pem())
    key.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(key, pwd.getpwnam("postgres").pw_uid, -1)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def server(certificates: Path) -> Iterator[Cluster]:
    """A server with TLS, and a role with a password."""
    files = [f"ssl_cert_file={certificates / 'server.crt'}", f"ssl_key_file={certificates / 'server.key'}"]
    with running_cluster(["ssl=on", *files]) as found:
        found.execute("CREATE ROLE tester SUPERUSER LOGIN PASSWORD 'right'")
        yield found


def test_a_server_proves_who_it_is_or_nothing_is_sent_to_it(
    server: Cluster, certificates: Path, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("right\n", encoding="utf-8")
    password.chmod(0o600)

    def address(host: str, authority: str) -> str:
        where = f"postgresql://tester@{host}:{server.port}/kardus_template?hostaddr=127.0.0.1"
        return f"{where}&sslrootcert={certificates / authority}"

    with open_database(address_of(address(HOST, "ca.crt"), password), make=False) as database:
        assert database.address.url.query["sslmode"] == "verify-full"
        with database.reading() as connection:
            used = connection.exec_driver_sql("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").scalar()
        assert used is True
    for host, authority, said in (
        (HOST, "other.crt", "certificate verify failed"),
        ("other.example", "ca.crt", 'does not match host name "other.example"'),
        (HOST, "nothing.crt", "nothing.crt"),
    ):
        with pytest.raises(DataError, match=said) as refused:
            open_database(address_of(address(host, authority), password), make=False)
        assert "check sslrootcert in the address, and the name in the server's certificate" in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_full_disk_costs_nothing_and_stores_nothing_twice(cluster: Cluster) -> None:
    box = Publisher()
    batch = [parse_message(SITE, *message) for message in box.events(3000)]
    with memory_disk(cluster.folder / "small", "24m") as disk:
        if os.geteuid() == 0:
            os.chown(disk, pwd.getpwnam("postgres").pw_uid, -1)
        # by connections that end: one that stays may keep a file of the disk open, which then can't be unmounted
        cluster.execute(f"CREATE TABLESPACE small LOCATION '{disk}'", "template1")
        filled = "CREATE DATABASE filled TEMPLATE kardus_template TABLESPACE small STRATEGY file_copy"
        cluster.execute(filled, "template1")
        try:
            with open_database(cluster.url("filled"), make=False) as database:
                writer = writer_of(database)
                assert writer.write(batch[:10]).events == 10
                filler = disk / "filler"
                _fill(filler)
                for _ in range(2):
                    with pytest.raises(StoreError, match="No space left on device"):
                        writer.write(batch)
                filler.unlink()
                written = writer.write(batch)
                assert (written.events, written.duplicates) == (2990, 10)
                assert [event.envelope.id for event in StoreReader(database).events(limit=4000)] == box.ids
            assert check_database(address_of(cluster.url("filled"))).problems == []
        finally:
            cluster.execute("DROP DATABASE IF EXISTS filled WITH (FORCE)", "template1")
            cluster.execute("DROP TABLESPACE small", "template1")


def _fill(path: Path) -> None:
    """Take what is left of the disk."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


def test_a_backup_of_a_server_is_restored_and_goes_on(cluster: Cluster, tmp_path: Path) -> None:
    name, box = cluster.make_database("kardus_template"), Publisher()
    sent = box.events(5)
    with open_database(cluster.url(name), make=False) as database:
        write(database, *sent[:4], box.state("A-1"))
    saved = tmp_path / "kardus.dump"
    where = ["-h", str(cluster.folder), "-p", str(cluster.port), "-U", "postgres"]
    subprocess.run([programs() / "pg_dump", *where, "-Fc", "-f", saved, name], check=True)
    restored = cluster.make_database()
    subprocess.run([programs() / "pg_restore", *where, "--exit-on-error", "-d", restored, saved], check=True)
    with open_database(cluster.url(restored), make=False) as database:
        written = write(database, *sent)
        assert (written.events, written.duplicates) == (1, 4)
        assert [event.number for event in StoreReader(database).events()] == [1, 2, 3, 4, 5]
        assert len(StoreReader(database).site_state().states) == 1
    assert check_database(address_of(cluster.url(restored))).problems == []


def test_a_backup_of_a_file_is_taken_while_it_is_written_and_goes_on(tmp_path: Path) -> None:
    box = Publisher()
    sent = box.events(5)
    with open_database(tmp_path / "k.sqlite", make=True) as database:
        write(database, *sent[:4])
        with closing(sqlite3.connect(tmp_path / "k.sqlite")) as own, closing(sqlite3.connect(tmp_path / "c")) as copy:
            own.backup(copy)
        write(database, sent[4])
    with open_database(tmp_path / "c", make=False) as database:
        written = write(database, *sent)
        assert (written.events, written.duplicates) == (1, 4)
    assert check_database(address_of(str(tmp_path / "c"))).problems == []
