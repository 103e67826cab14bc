"""A configuration is read however it is given."""

import os
import threading
from pathlib import Path

import pytest

from kardus.support.toml_files import read_toml
from warehouse.connectors.sync.settings import read_settings


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_is_none_of_it(tmp_path: Path, mark: bytes) -> None:
    (tmp_path / "own.toml").write_bytes(mark + 'name = "Müller"\r\n'.encode())
    assert read_toml(tmp_path / "own.toml") == {"name": "Müller"}


def test_settings_come_through_a_pipe_too(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "sync.toml").write_text('[source]\nkind = "folder"\nfolder = "lists"\n')
    writer = threading.Thread(target=lambda: pipe.write_bytes((tmp_path / "sync.toml").read_bytes()))
    writer.start()
    found = read_settings(pipe)
    writer.join()
    assert found == read_settings(tmp_path / "sync.toml")
