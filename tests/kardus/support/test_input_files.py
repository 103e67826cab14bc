"""What is named as a file is read, or refused at once: nothing hangs."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.camera.passwords import read_password
from edge_agent.config import load_config
from export.keys import read_key
from kardus.inference.bundle import read_bundle
from kardus.inference.preprocess import read_half
from kardus.support import input_files
from kardus.support.errors import KardusError
from kardus.support.input_files import open_file, read_file
from kardus.support.secrets import read_secret
from kardus.support.tabular.text_tables import decoded_text
from kardus.support.tabular.workbooks.reading import workbook_lines
from tests.patience import PATIENCE_S
from train.recipe import read_recipe
from warehouse.connectors.deliver.settings import read_settings as read_deliver_settings
from warehouse.connectors.epcis.mapping import read_identifiers
from warehouse.connectors.sync.settings import read_settings as read_sync_settings
from warehouse.oidc.settings import read_settings as read_oidc_settings
from warehouse.receiving.service import webhook_from_options
from warehouse.stock.list_layout import read_preset


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def test_a_file_is_opened_and_what_is_none_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with open_file(tmp_path / "file") as file:
        assert (file.read(3), file.seek(0), file.read()) == (b"con", 0, b"content")
    for path, said in ((_pipe(tmp_path / "pipe"), "a pipe"), (tmp_path, "a folder"), (Path("/dev/zero"), "a device")):
        with pytest.raises(OSError, match=said):
            open_file(path)
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "none")


def test_a_pipe_is_read_if_somebody_writes_into_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_files, "PIPE_S", 0.05)
    pipe = _pipe(tmp_path / "pipe")
    with pytest.raises(OSError, match="nobody writes"):
        read_file(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(read_file(Path(f"/proc/self/fd/{ends[0]}"))))
    ends = os.pipe()
    reader.start()
    reader.join(4 * input_files.PIPE_S)
    assert reader.is_alive(), "who writes may take his time"
    os.write(ends[1], b"a secret")
    os.close(ends[1])
    reader.join(PATIENCE_S)
    os.close(ends[0])
    assert read == [b"a secret"]


@pytest.mark.parametrize(
    "read",
    [
        read_bundle,
        read_half,
        lambda pipe: list(workbook_lines(pipe)),
        decoded_text,
        load_config,
        read_key,
        lambda pipe: read_recipe(str(pipe)),
        read_password,
        lambda pipe: read_secret("password_file", pipe),
        read_sync_settings,
        read_deliver_settings,
        read_oidc_settings,
        read_identifiers,
        lambda pipe: read_preset(str(pipe)),
        lambda pipe: webhook_from_options("https://wms.example/", pipe),
    ],
    ids=(
        *("bundle", "picture", "workbook", "list", "configuration", "key", "recipe", "camera's password", "password"),
        *("sync", "deliver", "sign-in", "identifiers", "preset", "webhook's secret"),
    ),
)
def test_nothing_that_a_user_names_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(input_files, "PIPE_S", 0.05)
    pipe = tmp_path / "pipe.toml"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(KardusError) as refused:
        read(pipe)
    assert str(pipe) in str(refused.value)
    assert "\n" not in str(refused.value)
