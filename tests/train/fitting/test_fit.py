"""One training run, from a data set to a run folder."""

import json
import math
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kardus.support.errors import DataError, KardusError, UsageError
from tests.in_process import assert_nothing_written
from tests.train.making import COLOURS, class_folders, labelled, write_table
from train.config import TrainConfig, make_config
from train.data.data_set import read_data
from train.evaluation.evaluation import evaluate
from train.evaluation.predictor import open_predictor
from train.fitting.fit import fit
from train.fitting.prepare import prepare
from train.fitting.progress import ProgressCallbacks
from train.networks.checkpoint import load_checkpoint


def _config(**changes: object) -> TrainConfig:
    values: dict[str, object] = {
        "arch": "timm:test_resnet",
        "size": 32,
        "epochs": 1,
        "batch": 4,
        "precision": "32",
        "seed": 1,
        "refit": 0.0,
    }
    return make_config(**(values | changes))


_SILENT = ProgressCallbacks()


def test_run_folder_holds_checkpoint_metrics_curves_and_recipe(run_folder: Path) -> None:
    assert sorted(path.name for path in run_folder.iterdir()) == [
        "curves.png",
        "held_out.npz",
        "metrics.json",
        "model.ckpt",
        "recipe.toml",
        "report.html",
        "tensorboard",
    ]
    with Image.open(run_folder / "curves.png", formats=("PNG",)) as picture:
        picture.load()
        assert picture.width > 200
    metrics = json.loads((run_folder / "metrics.json").read_text())
    assert metrics["photos"] == {"train": 90, "val": 30}
    assert [epoch["epoch"] for epoch in metrics["epochs"]] == list(range(1, 13))
    assert metrics["config"]["size"] == 48
    assert metrics["val"][0]["n"] == 30


def test_metrics_file_agrees_with_the_checkpoint_and_with_an_evaluation(run_folder: Path, photos: Path) -> None:
    metrics = json.loads((run_folder / "metrics.json").read_text())
    checkpoint = load_checkpoint(run_folder)
    measured = evaluate(open_predictor(run_folder), read_data(photos), "val").overall["class"]
    assert metrics["val"] == [checkpoint.metrics[0].model_dump()] == [measured.model_dump()]
    assert metrics["calibration"] == checkpoint.calibration.model_dump()
    assert metrics["data"]["sha256"] == read_data(photos).sha256()


def test_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    data = labelled(tmp_path / "data")
    first, second = (fit(data, tmp_path / name, _config(), _SILENT) for name in ("a", "b"))
    other = fit(data, tmp_path / "c", _config(seed=2), _SILENT)
    assert all(torch.equal(first.weights[name], second.weights[name]) for name in first.weights)
    assert first.calibration == second.calibration
    assert not all(torch.equal(first.weights[name], other.weights[name]) for name in first.weights)


def test_attention_and_gem_pooling_are_trained_and_saved(tmp_path: Path) -> None:
    fit(labelled(tmp_path / "data"), tmp_path / "run", _config(rmcsam=True, pooling="gem", outliers=0.5), _SILENT)
    checkpoint = load_checkpoint(tmp_path / "run")
    assert any(name.startswith("attention.channel") for name in checkpoint.model().state_dict())
    assert checkpoint.config.pooling == "gem"


def test_loss_that_is_no_number_names_lr_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(KardusError, match=r"the loss became .* lower --lr"):
        fit(labelled(tmp_path / "data"), tmp_path / "run", _config(lr=1e30, epochs=3), _SILENT)
    assert_nothing_written(tmp_path, tmp_path / "run")
    assert not [thread for thread in threading.enumerate() if "event_file_writer" in type(thread).__module__]


def test_folder_that_holds_a_run_is_refused_and_kept(run_folder: Path, tmp_path: Path) -> None:
    before = (run_folder / "model.ckpt").read_bytes()
    with pytest.raises(UsageError, match=r"--out .*: holds a run already: name a new folder"):
        fit(labelled(tmp_path / "data"), run_folder, _config(), _SILENT)
    assert (run_folder / "model.ckpt").read_bytes() == before


def test_out_that_is_a_file_is_refused_before_training(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.write_text("mine")
    with pytest.raises(UsageError, match="--out"):
        fit(labelled(tmp_path / "data"), out, _config(), _SILENT)
    assert out.read_text() == "mine"


def test_of_a_data_set_that_marks_train_alone_a_part_is_held_out(tmp_path: Path) -> None:
    data = labelled(tmp_path / "data")
    labels = data / "labels.csv"
    labels.write_text(labels.read_text().replace(",\n", ",train\n"))
    prepared = prepare(data, _config(val_fraction=0.25))
    assert (len(prepared.train.labels), len(prepared.val.labels)) == (9, 3)


def test_photos_that_a_half_marked_table_leaves_unmarked_are_not_dropped_in_silence(tmp_path: Path) -> None:
    data = labelled(tmp_path / "data", each=4, val=1)
    labels = data / "labels.csv"
    labels.write_text(labels.read_text().replace("3.png,blue,train", "3.png,blue,"))
    try:
        prepared = prepare(data, _config())
    except DataError as error:
        assert "line 5" in str(error)  # noqa: PT017 - either answer is a good one
    else:
        assert len(prepared.train.labels) + len(prepared.val.labels) == 12


def test_prepared_photos_are_larger_for_training_than_for_validation(tmp_path: Path) -> None:
    prepared = prepare(labelled(tmp_path / "data", val=1), _config(size=40))
    assert prepared.train.pixels.shape == (9, 46, 46, 3)
    assert prepared.val.pixels.shape == (3, 40, 40, 3)
    assert prepared.val.labels.tolist() == [0, 1, 2]


def test_data_set_without_a_split_is_split_by_class(tmp_path: Path) -> None:
    prepared = prepare(labelled(tmp_path / "data", each=5), _config(val_fraction=0.4))
    assert np.bincount(prepared.train.labels).tolist() == [3, 3, 3]
    assert np.bincount(prepared.val.labels).tolist() == [2, 2, 2]


def test_class_that_is_only_held_out_is_not_learnt(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "data", val=1)
    lines = (folder / "labels.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines if not (",green," in line and line.endswith("train"))]
    write_table(folder / "labels.csv", *rows)
    prepared = prepare(folder, _config())
    assert [info.name for info in prepared.data.classes] == ["blue", "red"]
    assert prepared.val.labels.tolist() == [0, 1]


def test_metrics_file_is_strict_json(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "data", val=1)
    fit(folder, tmp_path / "run", _config(), _SILENT)

    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is no JSON")

    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(), parse_constant=refuse)
    assert math.isfinite(metrics["epochs"][0]["val_loss"])


@pytest.mark.parametrize("name", ["file", "file/run"])
def test_a_folder_that_cannot_be_made_is_said_before_anything_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--out .*: can't be made \(.*\): name a folder"):
        fit(tmp_path / "no data", tmp_path / name, _config(), _SILENT)


def test_a_photo_that_vanishes_while_training_costs_nothing(tmp_path: Path) -> None:
    data = labelled(tmp_path / "data")
    read = read_data(data)
    notes: list[str] = []
    told = ProgressCallbacks(lambda _: (data / "blue" / "0.png").unlink(), notes.append)
    checkpoint = fit(data, tmp_path / "run", _config(), told)
    said = next(note for note in notes if note.startswith("no report.html is written: "))
    assert not (data / "blue" / "0.png").exists()
    assert checkpoint.data_sha256 != ""
    if not checkpoint.config.refit:
        assert said.endswith("restore what it lacks, and --resume writes report.html")
    assert len(read.samples) == 12


def test_a_class_without_a_photo_to_train_on_is_noted(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data")
    rows = [(f"{n}/{i}.png", n, "val" if i == 3 or n == "red" else "train") for n in COLOURS for i in range(4)]
    write_table(data / "labels.csv", ("path", "name", "split"), *rows)
    notes: list[str] = []
    fit(data, tmp_path / "run", _config(), ProgressCallbacks(note=notes.append))
    assert notes[1:] == ["class 'red' has no photo to train on: it is left out, and so are its 4 held-out photos"]
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["left_out"] == {"red": 4}


def test_two_photos_a_class_are_enough_and_said_to_be_few(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data")
    rows = [(f"{n}/{i}.png", n) for n in COLOURS for i in range(2)]
    write_table(data / "labels.csv", ("path", "name"), *rows)
    notes: list[str] = []
    checkpoint = fit(data, tmp_path / "run", _config(), ProgressCallbacks(note=notes.append))
    assert [info.name for info in checkpoint.classes] == sorted(COLOURS)
    assert any(note.startswith("one photo to train on, where 10 or more are advised: ") for note in notes)


def test_a_run_of_few_steps_is_trained(tmp_path: Path) -> None:
    fit(labelled(tmp_path / "data"), tmp_path / "run", _config(epochs=5, batch=9), _SILENT)  # 5 steps in all


@pytest.mark.parametrize(("batch", "clutter"), [(4, 0.125), (8, 0.0)])
def test_false_colours_are_learnt_where_a_batch_has_no_clutter_and_its_crops_grow(
    tmp_path: Path, batch: int, clutter: float
) -> None:
    data = labelled(tmp_path / "data", each=5)
    config = _config(size=64, first_size=32, epochs=3, batch=batch, outliers=0.5, clutter=clutter)
    assert fit(data, tmp_path / "run", config, _SILENT).weights
