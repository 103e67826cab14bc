"""Lists on a real SFTP server: whose key is checked, and of which nothing half-written is read."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from kardus.support.errors import UsageError
from tests.patience import PATIENCE_S
from tests.warehouse.connectors.sync.sftp_server import Sftp, sftp_server
from tests.warehouse.connectors.sync.source_keys import private, sftp_keys
from tests.warehouse.connectors.sync.test_sources import STOCK, lines_of, settings_of
from tests.warehouse.connectors.sync.wms import write_list
from warehouse.connectors.sync.settings import make_source
from warehouse.connectors.sync.source import SourceError, StockSource


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sftp]:
    with sftp_server(tmp_path) as running:
        yield running


def _source(folder: Path, keys: str) -> StockSource:
    return make_source(settings_of(folder, f"[source]\n{keys}"))


def _refused(source: StockSource) -> str:
    with pytest.raises(SourceError) as refused:
        source.read()
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_password_does_as_well_as_a_key(server: Sftp, tmp_path: Path) -> None:
    write_list(server.folder, STOCK)
    assert set(lines_of(_source(tmp_path, sftp_keys(server, password_file=str(server.password_file))))) == set(STOCK)
    wrong = private(tmp_path / "wrong", "nonsense")
    assert "refuses the user 'drop'" in _refused(_source(tmp_path, sftp_keys(server, password_file=str(wrong))))


def test_another_server_in_its_place_is_refused(server: Sftp, tmp_path: Path) -> None:
    write_list(server.folder, STOCK)
    source = _source(tmp_path, sftp_keys(server))
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key()
    server.known_hosts.write_bytes(f"[127.0.0.1]:{server.port} ".encode() + other)
    assert "the server's key isn't the one in" in _refused(source)
    server.known_hosts.write_text("")
    assert "the server's key isn't the one in" in _refused(source)
    server.known_hosts.unlink()
    with pytest.raises(UsageError, match=r"known_hosts = .*no such file: ssh-keyscan 127.0.0.1 writes it"):
        _source(tmp_path, sftp_keys(server))


@pytest.mark.parametrize("name", ["2.csv.part", "2.csv.filepart", ".2.csv", "2.csv.TMP"])
def test_what_says_that_it_is_unfinished_is_not_read(name: str, server: Sftp, tmp_path: Path) -> None:
    write_list(server.folder, STOCK, "1.csv")
    (server.folder / name).write_text("location,sku\nA/1,Milk\n", encoding="utf-8")
    assert lines_of(_source(tmp_path, sftp_keys(server)))["A/1"].sku == "Tea"


def test_a_list_that_grows_while_it_is_looked_at_is_read_when_it_rests(server: Sftp, tmp_path: Path) -> None:
    path = server.folder / "stock.csv"
    path.write_text("location,sku\nA,Tea\n", encoding="utf-8")
    source = _source(tmp_path, sftp_keys(server, settle_s="1"))
    stopping = threading.Event()

    def upload() -> None:
        """A line now and then, with a time that stays: the server's clock counts whole seconds."""
        number = 0
        while not stopping.wait(0.05):
            number += 1
            with path.open("a", encoding="utf-8") as file:
                file.write(f"B-{number},Tea\n")
            os.utime(path, (1_700_000_000, 1_700_000_000))

    writing = threading.Thread(target=upload)
    writing.start()
    try:
        assert "is being written: it is read when it rests" in _refused(source)
    finally:
        stopping.set()
        writing.join()
    assert len(source.read().managed) == path.read_text(encoding="utf-8").count("Tea")


def test_content_that_changes_within_a_second_at_the_same_length_is_seen(server: Sftp, tmp_path: Path) -> None:
    source = _source(tmp_path, sftp_keys(server))
    for sku in ("Tea", "Oil"):
        path = write_list(server.folder, {"A": (sku, 1)})
        os.utime(path, (1_700_000_000, 1_700_000_000))
        assert lines_of(source)["A"].sku == sku


def test_with_a_marker_only_lists_that_have_theirs_are_read(server: Sftp, tmp_path: Path) -> None:
    source = _source(tmp_path, sftp_keys(server, marker=".done"))
    write_list(server.folder, STOCK, "1.csv")
    assert "holds no list with its marker" in _refused(source)
    (server.folder / "1.csv.done").touch()
    write_list(server.folder, {"A/1": ("Milk", 1)}, "2.csv")
    os.utime(server.folder / "2.csv", (ahead := time.time() + 3600, ahead))
    assert lines_of(source)["A/1"].sku == "Tea"
    (server.folder / "2.csv.done").touch()
    assert lines_of(source)["A/1"].sku == "Milk"


def test_a_server_that_is_away_and_a_folder_that_is_not_there_are_told_in_a_line(server: Sftp, tmp_path: Path) -> None:
    assert "No such file" in _refused(_source(tmp_path, sftp_keys(server, folder="nowhere")))
    away = sftp_keys(server).replace(f"port = {server.port}", "port = 9")
    assert "Connect call failed" in _refused(_source(tmp_path, away))


def test_stopping_ends_a_question_that_waits(server: Sftp, tmp_path: Path) -> None:
    write_list(server.folder, STOCK)
    source = _source(tmp_path, sftp_keys(server, settle_s="600"))
    began_s = time.monotonic()
    closing = threading.Timer(0.5, source.stop)
    closing.start()
    assert "is being closed" in _refused(source)
    assert time.monotonic() - began_s < PATIENCE_S
    closing.join()


def test_without_a_key_or_a_password_nobody_is_asked(server: Sftp, tmp_path: Path) -> None:
    keys = sftp_keys(server).replace("key_file", "#")
    with pytest.raises(UsageError, match="key_file: name a private key, or password_file"):
        _source(tmp_path, keys)
