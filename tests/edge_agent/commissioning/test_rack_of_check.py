"""`kardus-agent check` says that a camera looks at another rack."""

from pathlib import Path

import numpy as np
import pytest

from edge_agent.cameras import open_camera
from edge_agent.commissioning.checks import CheckedOpeners, _camera_check
from edge_agent.config import load_config
from kardus.support.errors import DataError
from simulator.rack_labels import RackLabels
from simulator.recording import camera_toml
from simulator.scene import Rack

RACK = Rack(1, 2, 960, 540, labels=RackLabels("qr", 3.0))


def _check(folder: Path, seen: Rack) -> str:
    seen.background(np.random.default_rng(1)).save(folder / "rack.png")
    path = folder / "agent.toml"
    head = '[agent]\nsite = "hall"\nname = "box"\ndata_dir = "data"\n[harvest]\nsample = true\n'
    path.write_text(head + camera_toml(RACK, 'type = "file", path = "rack.png"'))
    config = load_config(path)
    openers = CheckedOpeners(
        model=lambda _: pytest.fail("no model is configured"),
        data_folder=str,
        camera=lambda section: open_camera(section, config),
        health_page=None,
    )
    return _camera_check(config.cameras[0], openers)()


def test_its_own_labels_are_counted(tmp_path: Path) -> None:
    assert "2 labels agree" in _check(tmp_path, RACK)


def test_another_rack_s_labels_are_an_error_that_names_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="another rack: its labels say A-07-1-01, A-07-1-02"):
        _check(tmp_path, Rack(1, 2, 960, 540, bay=7, labels=RackLabels("qr", 3.0)))
