"""Paths in the files of `sync` and `deliver` begin at the file's folder, wherever the command is started."""

import os
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from warehouse.connectors.deliver.settings import read_settings as read_deliver
from warehouse.connectors.sync.settings import read_settings as read_sync

SYNC = """
[source]
kind = "http"
managed_url = "https://wms.example/places"
managed = "places"
stock_url = "https://wms.example/stock"
stock = "stock"
headers_file = "secrets/headers"
ca_file = "/etc/ssl/ca.pem"
[source.oauth]
token_url = "https://wms.example/token"
client_id = "kardus"
client_secret_file = "$CREDENTIALS_DIRECTORY/secret"
"""
DELIVER = """
[targets.partner]
kind = "epcis"
url = "https://partner.example/epcis"
mapping = "epcis.toml"
headers_file = "partner.headers"
"""


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files of settings; the command is started in another one."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    (tmp_path / "here" / "sync.toml").write_text(SYNC)
    (tmp_path / "here" / "deliver.toml").write_text(DELIVER)
    return tmp_path / "here"


@pytest.mark.parametrize("base", ["", "../here"])
def test_relative_paths_begin_at_the_file_s_folder(elsewhere: Path, base: str) -> None:
    folder = Path(base) if base else elsewhere
    source = read_sync(folder / "sync.toml").source.model_dump()
    assert source["headers_file"].resolve() == elsewhere / "secrets/headers"
    assert source["ca_file"] == Path("/etc/ssl/ca.pem")
    assert source["oauth"]["client_secret_file"] == Path("/run/credentials/x/secret")
    target = read_deliver(folder / "deliver.toml").targets["partner"].model_dump()
    assert target["mapping"].resolve() == elsewhere / "epcis.toml"
    assert target["headers_file"].resolve() == elsewhere / "partner.headers"


SQL = 'kind = "sql"\nmanaged = "SELECT 1"\nstock = "SELECT 2"\nurl = "{}"\n'


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("sqlite:///wms.db", "sqlite:///{here}/wms.db"),
        ("sqlite:////var/wms.db", "sqlite:////var/wms.db"),
        ("sqlite+pysqlite:///data/wms.db?timeout=3", "sqlite+pysqlite:///{here}/data/wms.db?timeout=3"),
        ("sqlite:///file:wms.db?mode=ro&uri=true", "sqlite:///file:{here}/wms.db?mode=ro&uri=true"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql+psycopg://reader@db/wms", "postgresql+psycopg://reader@db/wms"),
        ("postgresql://r@db/wms?sslrootcert=ca.pem", "postgresql://r@db/wms?sslrootcert={here}/ca.pem"),
        ("postgresql://r@db/wms?sslrootcert=system", "postgresql://r@db/wms?sslrootcert=system"),
    ],
)
def test_files_in_a_database_s_address_begin_at_the_file_s_folder(elsewhere: Path, written: str, read: str) -> None:
    (elsewhere / "sync.toml").write_text(f"[source]\n{SQL.format(written)}")
    url = read_sync(elsewhere / "sync.toml").source.model_dump()["url"]
    assert make_url(url) == make_url(read.format(here=elsewhere))


@pytest.mark.parametrize(("written", "read"), [("own.toml", "{here}/own.toml"), ("odoo", "odoo"), ("", "")])
def test_a_preset_s_file_begins_at_the_file_s_folder(elsewhere: Path, written: str, read: str) -> None:
    (elsewhere / "sync.toml").write_text(f'[source]\nkind = "folder"\nfolder = "lists"\npreset = "{written}"\n')
    found = read_sync(elsewhere / "sync.toml").source.model_dump()
    assert (found["preset"], found["folder"]) == (read.format(here=elsewhere), elsewhere / "lists")


def test_of_settings_through_a_pipe_paths_begin_where_the_command_was_started(elsewhere: Path) -> None:
    read, write = os.pipe()
    os.write(write, (elsewhere / "deliver.toml").read_bytes())
    os.close(write)
    target = read_deliver(Path(f"/dev/fd/{read}")).targets["partner"].model_dump()
    os.close(read)
    assert target["mapping"] == Path("epcis.toml")
