"""The `simulate` commands write what they say, and say in one line why they don't."""

import json
from pathlib import Path

import pytest
from PIL import Image

from edge_agent.__main__ import main
from simulator.long_script import long_script
from simulator.pictures import DrawnPictures
from simulator.scene import Rack
from simulator.script import Script, read_script, write_script
from tests.conftest import run_command
from tests.in_process import assert_nothing_written, assert_one_line, call

Capture = pytest.CaptureFixture[str]


def test_dataset_writes_photos_and_unknown_cartons(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "photos"
    words = ("simulate", "dataset", folder, "--train", 2, "--val", 1, "--unknown", 3, "--seed", 5)
    result = call(capsys, main, *words)
    assert (result.returncode, result.stdout) == (0, f"45 photos written to {folder}\n")
    assert len((folder / "labels.csv").read_text().splitlines()) == 46
    assert len(list((tmp_path / "photos-unknown").iterdir())) == 3


def test_without_unknown_there_is_no_folder_of_them(tmp_path: Path, capsys: Capture) -> None:
    call(capsys, main, "simulate", "dataset", tmp_path / "p", "--train", 2, "--val", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


@pytest.mark.parametrize("command", ["dataset", "shelf"])
def test_an_existing_folder_is_refused(tmp_path: Path, capsys: Capture, command: str) -> None:
    (tmp_path / "there").mkdir()
    result = call(capsys, main, "simulate", command, tmp_path / "there")
    assert_one_line(result, 2, tmp_path / "there", "name a new folder")
    assert_nothing_written(tmp_path, tmp_path / "there")


def test_a_script_can_be_read_and_holds_the_rack(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "s.json"
    words = ("simulate", "script", file, "--seed", 2, "--levels", 2, "--positions", 6, "--frames", 30)
    result = call(capsys, main, *words)
    assert (result.returncode, result.stdout) == (0, f"Script written to {file}\n")
    script = read_script(file)
    assert (script.seed, script.frames, len(script.stock)) == (2, 30, 12)


def test_a_long_script_has_as_many_faults_as_asked_for(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "s.json"
    call(capsys, main, "simulate", "script", file, "--seed", 3, "--faults", 9)
    locations = [slot.location for slot in Rack().slots()]
    assert read_script(file) == long_script(locations, DrawnPictures().stock(), 3, 9)


@pytest.mark.parametrize("command", ["script", "shelf"])
def test_a_rack_that_is_too_small_is_refused(tmp_path: Path, capsys: Capture, command: str) -> None:
    result = call(capsys, main, "simulate", command, tmp_path / "x", "--levels", 1, "--positions", 5)
    assert_one_line(result, 2, "--levels 1 --positions 5", "12 locations")


def _short_script(path: Path, **stock: str | None) -> Path:
    places = [f"A-01-{level}-{position:02d}" for level in (1, 2) for position in range(1, 7)]
    whole: dict[str, str | None] = dict.fromkeys(places) | stock
    write_script(path, Script(1, 2, whole, dict.fromkeys(whole), ()))
    return path


def test_a_script_is_played_into_a_folder(tmp_path: Path, capsys: Capture) -> None:
    script = _short_script(tmp_path / "s.json")
    words = ("simulate", "shelf", tmp_path / "out", "--script", script, "--levels", 2, "--positions", 6)
    result = call(capsys, main, *words)
    assert (result.returncode, result.stdout) == (0, f"2 frames written to {tmp_path / 'out'}\n")
    assert len(list((tmp_path / "out" / "frames").iterdir())) == 2
    last = json.loads((tmp_path / "out" / "truth.jsonl").read_text().splitlines()[-1])
    assert set(last["verdicts"].values()) == {"match"}


@pytest.mark.parametrize("stock", [{"Z-99": "Tea-Lemon"}, {"A-01-1-01": "Coffee"}], ids=["location", "class"])
def test_a_script_for_another_rack_or_catalogue_is_refused(
    tmp_path: Path, capsys: Capture, stock: dict[str, str | None]
) -> None:
    script = _short_script(tmp_path / "s.json", **stock)
    words = ("simulate", "shelf", tmp_path / "out", "--script", script, "--levels", 2, "--positions", 6)
    result = call(capsys, main, *words)
    assert_one_line(result, 1, "s.json", next(iter(stock)) if "Z-99" in stock else "Coffee")


def test_a_missing_script_is_named(tmp_path: Path, capsys: Capture) -> None:
    result = call(capsys, main, "simulate", "shelf", tmp_path / "out", "--script", tmp_path / "gone.json")
    assert_one_line(result, 1, tmp_path / "gone.json")
    assert_nothing_written(tmp_path, tmp_path / "out")


def test_a_missing_folder_of_photos_is_named(tmp_path: Path, capsys: Capture) -> None:
    result = call(capsys, main, "simulate", "script", tmp_path / "s.json", "--photos", tmp_path / "gone")
    assert_one_line(result, 1, tmp_path / "gone")


def test_photos_of_one_product_alone_are_refused(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "p" / "Tea").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "p" / "Tea" / "1.png")
    result = call(capsys, main, "simulate", "script", tmp_path / "s.json", "--photos", tmp_path / "p")
    assert_one_line(result, 1, tmp_path / "p")


def test_a_script_cannot_be_written_into_a_missing_folder(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "gone" / "s.json"
    result = call(capsys, main, "simulate", "script", file)
    if result.returncode:
        assert_one_line(result, result.returncode, file)
    else:
        assert read_script(file)


@pytest.mark.parametrize("command", ["dataset", "script", "shelf"])
def test_a_negative_seed_is_wrong_use(tmp_path: Path, capsys: Capture, command: str) -> None:
    result = call(capsys, main, "simulate", command, tmp_path / "x", "--seed", -1)
    assert result.returncode == 2
    assert "--seed" in result.stderr
    assert_nothing_written(tmp_path, tmp_path / "x")


def test_the_module_is_the_same_command(tmp_path: Path) -> None:
    result = run_command("python", "-m", "simulator", "script", tmp_path / "s.json")
    assert result.stdout == f"Script written to {tmp_path / 's.json'}\n"


@pytest.mark.parametrize("command", ["dataset", "shelf", "script"])
def test_a_target_below_a_file_is_refused(tmp_path: Path, capsys: Capture, command: str) -> None:
    (tmp_path / "file").touch()
    assert_one_line(call(capsys, main, "simulate", command, tmp_path / "file" / "x"), 2, tmp_path / "file" / "x")


def test_the_folders_above_are_made(tmp_path: Path, capsys: Capture) -> None:
    words = ("--train", 2, "--val", 0, "--unknown", 1)
    assert call(capsys, main, "simulate", "dataset", tmp_path / "a" / "b", *words).returncode == 0
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["b", "b-unknown"]


def test_a_script_in_place_of_a_folder_is_refused(tmp_path: Path, capsys: Capture) -> None:
    assert_one_line(call(capsys, main, "simulate", "script", tmp_path), 2, "is a folder: name a file")
