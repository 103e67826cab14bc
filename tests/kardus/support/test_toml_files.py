"""A configuration is read however it is given."""

import os
import threading
import tomllib
from pathlib import Path

import pytest

from kardus.support.errors import UsageError
from kardus.support.toml_files import read_toml
from train.recipe import read_recipe
from warehouse.connectors.sync.settings import read_settings


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_is_none_of_it(tmp_path: Path, mark: bytes) -> None:
    (tmp_path / "own.toml").write_bytes(mark + 'name = "Müller"\r\n'.encode())
    assert read_toml(tmp_path / "own.toml") == {"name": "Müller"}


@pytest.mark.parametrize(
    "text", ["a = " + "1" * 5000, "a = " + "[" * 5000, "a = 2026-13-45", "a = 0x", "a = 1979-05-27T07:32:99"]
)
def test_what_no_number_or_list_can_be_is_no_toml(tmp_path: Path, text: str) -> None:
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(tomllib.TOMLDecodeError):
        read_toml(tmp_path / "own.toml")
    with pytest.raises(UsageError, match=r"own\.toml"):
        read_settings(tmp_path / "own.toml")
    with pytest.raises(UsageError, match=r"own\.toml: not valid TOML"):
        read_recipe(str(tmp_path / "own.toml"))


def test_settings_come_through_a_pipe_too(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "sync.toml").write_text('[source]\nkind = "folder"\nfolder = "/lists"\n')
    writer = threading.Thread(target=lambda: pipe.write_bytes((tmp_path / "sync.toml").read_bytes()))
    writer.start()
    found = read_settings(pipe)
    writer.join()
    assert found == read_settings(tmp_path / "sync.toml")
