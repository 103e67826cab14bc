"""Which keys need a restart, and a file that changes."""

import os
import queue
import threading
from pathlib import Path
from typing import Any

import pytest

from edge_agent.config import Config, load_config, parse_config
from edge_agent.control.reload import FIXED, FileWatch, require_reloadable
from kardus.support.errors import ConfigError
from tests.patience import PATIENCE_S

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "agent.toml"
BASE = load_config(EXAMPLE)


def _with(table: str, **keys: Any) -> Config:
    content = BASE.model_dump(mode="json", exclude_none=True)
    content[table] |= keys
    return parse_config(content, EXAMPLE)


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ("agent", {"name": "other"}),
        ("agent", {"data_dir": "/elsewhere"}),
        ("model", {"bundle": "/other.bundle"}),
        ("mqtt", {"host": "other"}),
        ("health", {"port": 9999}),
    ],
)
def test_what_makes_the_agent_what_it_is_needs_a_restart(table: str, keys: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"^{table}\.{next(iter(keys))}: can't be changed while the agent runs"):
        require_reloadable(BASE, _with(table, **keys))


@pytest.mark.parametrize(
    ("table", "keys"),
    [("verdict", {"votes": 4}), ("view", {"max_shift": 0.1}), ("gate", {"change": 20}), ("evidence", {"max_mb": 1})],
)
def test_everything_else_can_change(table: str, keys: dict[str, Any]) -> None:
    changed = _with(table, **keys)
    assert changed != BASE
    require_reloadable(BASE, changed)


def test_the_first_model_needs_a_restart() -> None:
    content = BASE.model_dump(mode="json", exclude_none=True) | {"harvest": {"sample": True}}
    del content["model"]
    collecting = parse_config(content, EXAMPLE)
    require_reloadable(collecting, collecting)
    for old, new in ((collecting, BASE), (BASE, collecting)):
        with pytest.raises(ConfigError, match=r"^model: can't be changed while the agent runs: restart it"):
            require_reloadable(old, new)


def test_every_table_is_either_fixed_or_applied() -> None:
    assert set(Config.model_fields) == {
        *FIXED,
        "verdict",
        "codes",
        "view",
        "gate",
        "evidence",
        "harvest",
        "recording",
        "homeassistant",
        "cameras",
    }


def test_a_file_that_changes_or_is_replaced_is_noticed_and_one_that_is_gone_is_waited_for(tmp_path: Path) -> None:
    path, calls = tmp_path / "agent.toml", queue.SimpleQueue[bool]()
    path.write_text("1")
    watch = FileWatch(path, lambda: calls.put(True), poll_s=0.01)
    watch.start()
    with path.open("r+") as file:  # written at once: nobody sees it empty
        file.write("22")
    calls.get(timeout=PATIENCE_S)
    (tmp_path / "new").write_text("33")
    os.replace(tmp_path / "new", path)  # noqa: PTH105 - as editors and configuration managers do
    calls.get(timeout=PATIENCE_S)
    path.unlink()
    threading.Event().wait(0.1)
    (tmp_path / "new").write_text("4444")
    (tmp_path / "new").rename(path)
    calls.get(timeout=PATIENCE_S)
    watch.stop()
    assert calls.empty()
