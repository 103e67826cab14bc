"""A played shelf through the agent's line: right, the same each time, and different where the rules differ."""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from edge_agent.__main__ import main
from kardus.contract.messages import Expected
from kardus.contract.recording import ENTRIES, RecordingEntry
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from simulator.pictures import DrawnPictures
from simulator.recording import START, write_shelf
from simulator.scene import Rack
from simulator.script import Change, ChangeKind, Script
from simulator.shelf import Shelf
from tests.in_process import call

RACK = Rack(levels=1, positions=3)
FIRST, SECOND, THIRD = (slot.location for slot in RACK.slots())
STOCK: dict[str, str | None] = {FIRST: "Tea-Lemon", SECOND: "Noodles-Beef", THIRD: None}
SCRIPT = Script(2, 14, STOCK, STOCK, (Change(5, ChangeKind.REMOVE, FIRST),))
HEAD = f'[agent]\nsite = "s"\nname = "a"\ndata_dir = "data"\n[model]\nbundle = "{DEMO_BUNDLE}"\n'
HEAD += f'trust = ["{DEMO_KEY.read_text().strip()}"]\n'


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three locations, one frame a second; the first carton is gone from the sixth on."""
    folder = tmp_path_factory.mktemp("recordings") / "shelf"
    write_shelf(folder, Shelf(RACK, DrawnPictures(), SCRIPT))
    return folder


@pytest.fixture
def copy(shelf: Path, tmp_path: Path) -> Path:
    """One that may be damaged."""
    return Path(shutil.copytree(shelf, tmp_path / "copy"))


def _config(folder: Path, shelf: Path, name: str = "a", extra: str = "") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(f"{HEAD}{extra}\n{(shelf / 'camera.toml').read_text()}")
    return path


def _replay(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    result = call(capsys, main, "replay", *words, "--json")
    assert result.returncode == 0, result.stderr
    content: dict[str, Any] = json.loads(result.stdout)
    return content


def _of(content: dict[str, Any], location: str) -> list[tuple[str, str]]:
    return [(change["at"][17:19], change["verdict"]) for change in content["changes"] if change["location"] == location]


def test_a_shelf_is_judged_as_it_was_played_and_to_the_same_bytes_each_time(
    shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("replay", shelf, "--config", _config(tmp_path, shelf), "--json")
    first = call(capsys, main, *words)
    content = json.loads(first.stdout)
    assert _of(content, FIRST) == [("02", "match"), ("08", "empty")], "three votes, and the gate waits for rest"
    assert [_of(content, location) for location in (SECOND, THIRD)] == [[("02", "match")]] * 2
    assert content["a"]["alerts"] == 1
    assert content["a"]["right_changes"] == {"of": 4, "right": 4}
    late = 2 * 3 + 3  # two pictures until the first votes are in, three until the missing carton is seen
    assert content["a"]["right"] == {"of": 14 * 3, "right": 14 * 3 - late}
    assert call(capsys, main, *words).stdout == first.stdout
    assert "A: 14 pictures in" in first.stderr


def test_two_configurations_are_compared(shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quick = _config(tmp_path, shelf, "b", "[verdict]\nvotes = 1\nwindow = 1\n")
    words = ("--config", _config(tmp_path, shelf), "--against", quick)
    content = _replay(capsys, shelf, *words)
    (difference,) = content["differences"]
    assert (difference["location"], difference["a"]["verdict"], difference["b"]["verdict"]) == (FIRST, "match", "empty")
    assert (difference["since"][17:19], difference["until"][17:19], difference["pictures"]) == ("06", "08", 2)
    assert content["b"]["right"]["right"] > content["a"]["right"]["right"]
    table = call(capsys, main, "replay", shelf, *words)
    assert table.returncode == 0
    assert "A-01-1-01" in table.stdout
    assert "right, of the changes" in table.stdout


def test_the_same_configuration_twice_differs_in_nothing(
    shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = _config(tmp_path, shelf)
    content = _replay(capsys, shelf, "--config", config, "--against", config)
    assert content["differences"] == []
    assert content["a"] == content["b"]


def test_damaged_and_missing_pictures_make_the_view_stale_and_stop_nothing(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copy / "frames" / "00008.jpg").unlink()
    (copy / "frames" / "00009.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    content = _replay(capsys, copy, "--config", _config(tmp_path, copy))
    assert content["lost"] == 2
    assert [verdict for _, verdict in _of(content, SECOND)] == ["match", "stale", "match"]
    assert ("08", "stale") in _of(content, SECOND)


def test_grace_ends_by_the_recording_s_time_though_no_picture_comes(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The WMS expects another product after the fourth picture; the pictures stop for two minutes after the eighth."""
    entries = [RecordingEntry.model_validate_json(line) for line in (copy / ENTRIES).read_text().splitlines()]
    kept = [entry for entry in entries if entry.at_s < 8]
    wanted = Expected(revision=2, sku="Noodles-Shrimp")
    word = RecordingEntry(at=START + timedelta(seconds=4), at_s=4, location=SECOND, expected=wanted)
    index = next(n for n, entry in enumerate(kept) if entry.at_s == 4)
    last = kept[-1].model_copy(update={"at": START + timedelta(seconds=128), "at_s": 128.0})
    lines = [entry.model_dump_json(exclude_none=True) + "\n" for entry in [*kept[:index], word, *kept[index:], last]]
    (copy / ENTRIES).write_text("".join(lines))
    content = _replay(capsys, copy, "--config", _config(tmp_path, copy, extra="[verdict]\ngrace_s = 30\n"))
    assert _of(content, SECOND) == [("02", "match"), ("04", "uncertain"), ("34", "mismatch")]


def test_plain_pictures_need_to_be_told_what_is_expected(
    shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = _config(tmp_path, shelf)
    content = _replay(capsys, shelf / "frames", "--config", config, "--expected", shelf / "expected.csv")
    assert _of(content, FIRST) == [("02", "match"), ("08", "empty")]
    assert "right" not in content["a"]
    assert {change["verdict"] for change in _replay(capsys, shelf / "frames", "--config", config)["changes"]} == {
        "unmanaged"
    }


def test_what_cannot_be_played_is_one_line(shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = _config(tmp_path, shelf)
    other = tmp_path / "other.toml"
    other.write_text(config.read_text().replace('"rack"', '"left"'))
    fewer = tmp_path / "fewer.toml"
    fewer.write_text(config.read_text().replace(f'"{FIRST}"', '"Z-1"'))
    (tmp_path / "empty").mkdir()
    cases: list[tuple[tuple[object, ...], int, str]] = [
        ((tmp_path / "gone", "--config", config), 1, "gone: no such recording"),
        ((tmp_path / "empty", "--config", config), 1, "neither a recording nor a picture"),
        ((shelf, "--config", other), 2, "no camera of the recording (rack) is in the configuration"),
        ((shelf, "--config", config, "--against", fewer), 2, f"location '{FIRST}' is in one of the two"),
        ((shelf, "--config", config, "--every", 2), 2, "--every: "),
        ((shelf, "--config", tmp_path / "gone.toml"), 2, "gone.toml: cannot be read"),
    ]
    for words, code, said in cases:
        result = call(capsys, main, "replay", *words)
        assert (result.returncode, result.stdout) == (code, "")
        assert said in result.stderr
        assert result.stderr.count("error:") == 1


def test_a_recording_of_nothing_but_bad_pictures_is_said(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for picture in (copy / "frames").iterdir():
        picture.write_bytes(b"")
    result = call(capsys, main, "replay", copy, "--config", _config(tmp_path, copy))
    assert result.returncode == 1
    assert "there is no picture in the recording" in result.stderr
