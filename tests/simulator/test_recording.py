"""A played shelf is written with its frames, the truth, the expected stock and a camera's configuration."""

import csv
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from edge_agent.config import Config, load_config
from edge_agent.config.base import as_array
from edge_agent.config.sources import FolderSource
from kardus.inference.preprocess import read_photo
from simulator.pictures import DrawnPictures
from simulator.recording import camera_toml, write_shelf
from simulator.scene import Rack
from simulator.script import Change, ChangeKind, Script
from simulator.shelf import Shelf

RACK = Rack(levels=1, positions=3)
PLACES = [slot.location for slot in RACK.slots()]
STOCK: dict[str, str | None] = dict(zip(PLACES, ["Tea-Lemon", "Milk-Full-Cream-Side", None], strict=True))
EXPECTED: dict[str, str | None] = dict(zip(PLACES, ["Tea-Lemon", "Milk-Full-Cream", None], strict=True))
SCRIPT = Script(1, 3, STOCK, EXPECTED, (Change(2, ChangeKind.REMOVE, PLACES[0]),))
REST = '[agent]\nsite = "s"\nname = "a"\ndata_dir = "data"\n[model]\nbundle = "m.bundle"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A written shelf of three frames."""
    path = tmp_path_factory.mktemp("shelf") / "shelf"
    write_shelf(path, Shelf(RACK, DrawnPictures(), SCRIPT))
    return path


def _config(folder: Path) -> Config:
    path = folder.parent / "agent.toml"
    path.write_text(REST + (folder / "camera.toml").read_text())
    return load_config(path)


def test_the_folder_holds_frames_truth_stock_and_configuration(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "camera.toml",
        "entries.jsonl",
        "expected.csv",
        "frames",
        "recording.json",
        "truth.jsonl",
    ]
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == ["shelf"]


def test_every_frame_is_there_as_it_was_rendered(folder: Path) -> None:
    assert sorted(path.name for path in (folder / "frames").iterdir()) == ["00000.jpg", "00001.jpg", "00002.jpg"]
    written = read_photo(folder / "frames" / "00002.jpg")
    rendered = Shelf(RACK, DrawnPictures(), SCRIPT).frame(2)
    assert np.abs(written.astype(int) - rendered).mean() < 4


def test_the_truth_has_a_line_for_every_frame(folder: Path) -> None:
    lines = [json.loads(line) for line in (folder / "truth.jsonl").read_text().splitlines()]
    right = dict.fromkeys(PLACES, "match")
    assert lines == [
        {"frame": 0, "verdicts": right},
        {"frame": 1, "verdicts": right},
        {"frame": 2, "verdicts": right | {PLACES[0]: "empty"}},
    ]


def test_the_truth_knows_the_spoiled_view_and_a_dead_camera_gives_no_frame(tmp_path: Path) -> None:
    changes = (Change(1, ChangeKind.DARK, lasts=1), Change(2, ChangeKind.DEAD, lasts=1))
    write_shelf(tmp_path / "shelf", Shelf(RACK, DrawnPictures(), Script(1, 4, STOCK, EXPECTED, changes)))
    lines = [json.loads(line) for line in (tmp_path / "shelf" / "truth.jsonl").read_text().splitlines()]
    assert [line.get("view") for line in lines] == [None, "dark", "dead", None]
    frames = sorted(path.name for path in (tmp_path / "shelf" / "frames").iterdir())
    assert frames == ["00000.jpg", "00001.jpg", "00003.jpg"]


def test_the_expected_stock_has_a_line_for_every_location(folder: Path) -> None:
    with (folder / "expected.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["location"]: row["sku"] for row in rows} == {at: sku or "EMPTY" for at, sku in EXPECTED.items()}


def test_the_camera_s_part_makes_a_configuration(folder: Path) -> None:
    (camera,) = _config(folder).cameras
    assert isinstance(camera.source, FolderSource)
    assert camera.source.path.name == "frames"
    assert [location.id for location in camera.locations] == PLACES
    for location, slot in zip(camera.locations, RACK.slots(), strict=True):
        assert np.abs(as_array(location.quadrilaterals[0]) - slot.corners).max() <= 0.051


def test_name_source_and_pace_are_those_asked_for() -> None:
    (camera,) = tomllib.loads(camera_toml(RACK, 'type = "simulated", seed = 4', "left", 0.25))["cameras"]
    assert (camera["name"], camera["interval_s"]) == ("left", 0.25)
    assert camera["source"] == {"type": "simulated", "seed": 4}
