"""The `kardus-train` command, as a user meets it."""

import contextlib
import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import run_command
from tests.in_process import assert_nothing_written, assert_one_line, call
from tests.train.making import labelled, plain_photo, write_table
from train.__main__ import main

Capture = pytest.CaptureFixture[str]
TINY = ("--recipe", "scratch", "--arch", "timm:test_resnet", "--size", 32, "--epochs", 1, "--batch", 4, "--refit", 0)


def test_fit_works_from_the_shell_and_evaluate_reads_its_run(tmp_path: Path, capsys: Capture) -> None:
    data = labelled(tmp_path / "data")
    fitted = run_command("kardus-train", "fit", data, "--out", tmp_path / "run", *TINY, "--rmcsam", "--pooling", "gem")
    assert "Held-out accuracy: " in fitted.stdout
    assert "(95 %: " in fitted.stdout
    assert f"Run written to {tmp_path / 'run'}" in fitted.stdout
    assert "epoch 1/1: loss " in fitted.stderr
    assert "arning" not in fitted.stderr
    measured = call(capsys, main, "evaluate", tmp_path / "run", data, "--json")
    assert json.loads(measured.stdout)["accuracy"]["class"]["n"] == 12
    assert measured.stderr.strip() == "note: the model was trained on 9 of these photos: --split val leaves them out"


def test_error_is_one_line_and_leaves_nothing_half_written(tmp_path: Path, capsys: Capture) -> None:
    data = labelled(tmp_path / "data")
    (data / "red" / "2.png").write_bytes(b"broken")
    failed = call(capsys, main, "fit", data, "--out", tmp_path / "run", *TINY)
    assert_one_line(failed, 1, data / "red" / "2.png", "not a readable picture", "replace it")
    assert_nothing_written(tmp_path, tmp_path / "run")


def _lose_photo(data: Path) -> None:
    (data / "green" / "1.png").unlink()


def _break_photo(data: Path) -> None:
    (data / "green" / "1.png").write_bytes(b"\x89PNG but no more")


def _rename_column(data: Path) -> None:
    write_table(data / "labels.csv", ("file", "name"), ("blue/0.png", "blue"))


def _unlist_class(data: Path) -> None:
    write_table(data / "classes.csv", ("class", "name", "category"), (0, "blue", "b"))


def _empty(data: Path) -> None:
    write_table(data / "labels.csv", ("path", "name"))


def _single_photo(data: Path) -> None:
    write_table(data / "labels.csv", ("path", "name"), *[("blue/0.png", "blue")] * 3, ("red/0.png", "red"))


def _bad_split(data: Path) -> None:
    write_table(data / "labels.csv", ("path", "name", "split"), ("blue/0.png", "blue", "later"))


@pytest.mark.parametrize(
    ("spoil", "parts"),
    [
        (shutil.rmtree, ["data", "no such data set", "name a folder"]),
        (_lose_photo, ["labels.csv", "line 7", "green/1.png", "restore it"]),
        (_break_photo, ["green/1.png", "not a readable picture", "replace it"]),
        (_rename_column, ["labels.csv", "'path'", "found: file, name", "name the columns"]),
        (_unlist_class, ["labels.csv", "line 6", "'green'", "classes.csv", "add it"]),
        (_empty, ["labels.csv", "no photo is listed", "add lines"]),
        (_single_photo, ["data", "'red' has one photo", "add photos"]),
        (_bad_split, ["labels.csv", "line 2", "'later'", "use train, val, test"]),
    ],
)
def test_fit_refuses_a_bad_data_set_with_exit_code_1(
    tmp_path: Path, capsys: Capture, spoil: Callable[[Path], None], parts: list[str]
) -> None:
    data = labelled(tmp_path / "data")
    spoil(data)
    assert_one_line(call(capsys, main, "fit", data, "--out", tmp_path / "run", *TINY), 1, *parts)
    assert_nothing_written(tmp_path, tmp_path / "run")


@pytest.mark.parametrize("spoil", [shutil.rmtree, _lose_photo, _break_photo, _rename_column, _empty, _bad_split])
def test_evaluate_refuses_a_bad_data_set_with_exit_code_1(
    run_folder: Path, tmp_path: Path, capsys: Capture, spoil: Callable[[Path], None]
) -> None:
    data = tmp_path / "data"
    plain_photo(data / "green" / "1.png", (1, 2, 3))
    write_table(data / "labels.csv", ("path", "name"), ("green/1.png", "Tea-Lemon"))
    assert call(capsys, main, "evaluate", run_folder, data, "--json").returncode == 0
    spoil(data)
    table = tmp_path / "predictions.csv"
    assert_one_line(call(capsys, main, "evaluate", run_folder, data, "--predictions", table), 1, data)
    assert_nothing_written(tmp_path, table)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--epochs", -1), ["--epochs -1"]),
        (("--lr", -1), ["--lr -1"]),
        (("--size", 8), ["--size 8"]),
        (("--pooling", "max"), ["--pooling max", "'avg' or 'gem'"]),
        (("--val-fraction", 1), ["--val-fraction 1"]),
        (("--arch", "resnet19"), ["--arch resnet19", "use one of resnet18"]),
    ],
)
def test_wrong_use_of_fit_is_exit_code_2(
    tmp_path: Path, capsys: Capture, options: tuple[object, ...], parts: list[str]
) -> None:
    data = labelled(tmp_path / "data")
    assert_one_line(call(capsys, main, "fit", data, "--out", tmp_path / "run", *options), 2, *parts)
    assert_nothing_written(tmp_path, tmp_path / "run")


@pytest.mark.parametrize("words", [("fit",), ("fit", "data"), ("fit", "data", "--out", "x", "--epoch", 3), ("fly",)])
def test_words_that_are_no_command_are_exit_code_2(capsys: Capture, words: tuple[object, ...]) -> None:
    failed = call(capsys, main, *words)
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr


def test_fit_does_not_overwrite_a_run(run_folder: Path, photos: Path, capsys: Capture) -> None:
    before = (run_folder / "model.ckpt").read_bytes()
    failed = call(capsys, main, "fit", photos, "--out", run_folder, *TINY)
    assert_one_line(failed, 2, f"--out {run_folder}", "holds a run already", "name a new folder")
    assert (run_folder / "model.ckpt").read_bytes() == before


def test_fit_that_diverges_is_exit_code_1_and_names_lr(tmp_path: Path, capsys: Capture) -> None:
    data = labelled(tmp_path / "data")
    failed = call(capsys, main, "fit", data, "--out", tmp_path / "run", *TINY, "--epochs", 3, "--lr", 1e30)
    assert failed.returncode == 1
    assert "lower --lr" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr
    assert_nothing_written(tmp_path, tmp_path / "run")


def test_evaluate_prints_json_with_n_and_intervals_and_nothing_else(
    run_folder: Path, photos: Path, capsys: Capture
) -> None:
    result = call(capsys, main, "evaluate", run_folder, photos, "--split", "val", "--json")
    assert result.stdout.startswith("{")
    figures = json.loads(result.stdout)
    assert list(figures["accuracy"]) == ["class", "sku", "category"]
    assert [len(figures[key]) for key in ("by_class", "by_sku", "by_category")] == [15, 12, 5]
    for metric in (*figures["accuracy"].values(), *figures["by_class"], *figures["by_sku"], *figures["by_category"]):
        assert set(metric) == {"name", "value", "n", "low", "high"}
        assert metric["low"] <= metric["value"] + 1e-9
        assert metric["value"] <= metric["high"] + 1e-9
    assert figures["accuracy"]["class"]["n"] == 30
    assert figures["left_out"] == {}
    assert figures["calibrated_on_these"] is True
    assert "rejection" not in figures


def test_run_checkpoint_and_bundle_are_evaluated_alike(
    run_folder: Path, bundle_file: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    tables = []
    for number, model in enumerate((run_folder, run_folder / "model.ckpt", bundle_file)):
        table = tmp_path / f"{number}.csv"
        assert call(capsys, main, "evaluate", model, photos, "--json", "--predictions", table).returncode == 0
        with table.open(newline="", encoding="utf-8") as file:
            tables.append(list(csv.DictReader(file)))
    assert list(tables[0][0]) == ["path", "name", "predicted", "confidence", "score"]
    assert len(tables[0]) == 120
    for run, checkpoint, bundle in zip(*tables, strict=True):
        assert run == checkpoint
        assert (run["path"], run["name"], run["predicted"]) == (bundle["path"], bundle["name"], bundle["predicted"])
        assert float(run["score"]) == pytest.approx(float(bundle["score"]), rel=1e-3, abs=1e-5)
        assert float(run["confidence"]) == pytest.approx(float(bundle["confidence"]), abs=1e-3)


def test_evaluate_prints_tables_for_people(run_folder: Path, photos: Path, capsys: Capture) -> None:
    text = call(capsys, main, "evaluate", run_folder, photos).stdout
    for part in (
        "By class",
        "By SKU",
        "By category",
        "95 % interval",
        "Right by sku: ",
        "n = 120",
        "Calibration error: ",
    ):
        assert part in text


def test_evaluate_notes_classes_that_the_model_does_not_know(run_folder: Path, tmp_path: Path, capsys: Capture) -> None:
    plain_photo(tmp_path / "pasta" / "0.png", (9, 9, 9))
    plain_photo(tmp_path / "Tea-Lemon" / "0.png", (9, 9, 9))
    result = call(capsys, main, "evaluate", run_folder, tmp_path, "--json")
    assert json.loads(result.stdout)["left_out"] == {"pasta": 1}
    assert json.loads(result.stdout)["accuracy"]["class"]["n"] == 1
    assert result.stderr.strip() == "note: class 'pasta' is not known to the model: its 1 photos are left out"


def test_evaluate_with_unknown_photos_gives_rejection_figures(
    run_folder: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    for number in range(4):
        plain_photo(tmp_path / "strange" / f"{number}.png", (50 * number, 255, 0))
    words = ("evaluate", run_folder, photos, "--split", "val", "--unknown", tmp_path / "strange")
    rejection = json.loads(call(capsys, main, *words, "--json").stdout)["rejection"]
    assert 0 <= rejection["auroc"] <= 1
    assert rejection["rejected"]["n"] == 4
    assert rejection["false_alarms"]["n"] == 30
    assert rejection["taken"]["n"] == 4
    assert rejection["doubted"]["n"] <= 30
    assert "Unknown rejected: " in call(capsys, main, *words).stdout


def test_evaluate_of_no_model_is_wrong_use_and_of_a_broken_one_a_failure(
    photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert_one_line(call(capsys, main, "evaluate", tmp_path / "none", photos), 2, tmp_path / "none", "no such model")
    for name, reason in (("model.ckpt", "not a Kardus checkpoint"), ("x.bundle", "not a bundle")):
        (tmp_path / name).write_bytes(b"hello")
        assert_one_line(call(capsys, main, "evaluate", tmp_path / name, photos), 1, tmp_path / name, reason)


def test_evaluate_of_a_split_that_is_not_marked_says_which_are(run_folder: Path, photos: Path, capsys: Capture) -> None:
    failed = call(capsys, main, "evaluate", run_folder, photos, "--split", "test")
    assert_one_line(failed, 1, "no photo in split 'test'", "it marks train, val")


def test_predictions_into_a_folder_that_is_not_there_are_written_or_refused_in_one_line(
    run_folder: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    table = tmp_path / "new" / "predictions.csv"
    result = call(capsys, main, "evaluate", run_folder, photos, "--predictions", table)
    assert table.is_file() or result.returncode in (1, 2)


def test_help_names_the_commands_and_options(capsys: Capture) -> None:
    assert {"fit", "evaluate"} <= set(call(capsys, main, "--help").stdout.split())
    text = call(capsys, main, "fit", "--help").stdout
    for option in ("--out", "--arch", "--epochs", "--seed", "--rmcsam"):
        assert option in text


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "DATA", "--out", "LONG"),
        ("fit", "LONG", "--out", "run"),
        ("fit", "DATA", "--out", "run", "--recipe", "LONG"),
        ("fit", "DATA", "--out", "run", "--init", "LONG"),
        ("evaluate", "LONG", "DATA"),
        ("evaluate", "RUN", "LONG"),
        ("evaluate", "RUN", "DATA", "--unknown", "LONG"),
        ("evaluate", "RUN", "DATA", "--against", "LONG"),
        ("check-data", "LONG"),
        ("study", "LONG", "--out", "study"),
        ("study", "DATA", "--out", "LONG"),
    ],
    ids=" ".join,
)
def test_a_name_that_is_too_long_is_a_line_wherever_it_is_given(
    run_folder: Path, photos: Path, tmp_path: Path, capsys: Capture, words: tuple[str, ...]
) -> None:
    named = {"DATA": photos, "RUN": run_folder, "LONG": "x" * 300}
    with contextlib.chdir(tmp_path):
        told = call(capsys, main, *(named.get(word, word) for word in words))
    assert_one_line(told, 2, "x" * 300, "File name too long")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "study").exists()


def test_a_split_that_is_none_is_wrong_use(run_folder: Path, photos: Path, capsys: Capture) -> None:
    result = call(capsys, main, "evaluate", run_folder, photos, "--split", "bogus")
    assert_one_line(result, 2, "--split bogus: use one of train, val, test, all")


@pytest.mark.parametrize(("named", "meant"), [("valid", "val"), ("Validation", "val"), ("TRAINING", "train")])
def test_a_split_may_be_called_as_in_a_table(
    run_folder: Path, photos: Path, capsys: Capture, named: str, meant: str
) -> None:
    one, other = (
        call(capsys, main, "evaluate", run_folder, photos, "--split", name, "--json") for name in (named, meant)
    )
    assert (one.returncode, one.stdout) == (0, other.stdout)


def test_predictions_into_a_folder_are_refused_before_the_work(
    run_folder: Path, photos: Path, tmp_path: Path, capsys: Capture
) -> None:
    result = call(capsys, main, "evaluate", run_folder, photos, "--predictions", tmp_path)
    assert_one_line(result, 2, "--predictions", "is a folder: name a file")


def test_help_loads_none_of_the_heavy_libraries() -> None:
    heavy = ["torch", "scipy", "sklearn", "matplotlib", "lightning_fabric"]
    lines = ["import sys", "from train.__main__ import main", "try: main()", "except SystemExit: pass"]
    code = "\n".join([*lines, f"print([name for name in {heavy} if name in sys.modules])"])
    shown = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"
