"""Measuring by folds, on networks that are really trained."""

import json
from pathlib import Path

import pytest
import torch

from kardus.support.errors import DataError, UsageError
from tests.in_process import assert_one_line, call
from tests.train.making import class_folders, write_table
from train.__main__ import main
from train.config import TrainConfig, make_config
from train.data.data_set import read_data
from train.evaluation.evaluation import evaluate
from train.evaluation.predictor import open_predictor
from train.fitting.loop import Epoch
from train.fitting.progress import ProgressCallbacks
from train.networks.checkpoint import load_checkpoint
from train.study.cross_fit import cross_fit

Capture = pytest.CaptureFixture[str]
TINY = ("--recipe", "scratch", "--arch", "timm:test_resnet", "--size", 32, "--epochs", 2, "--batch", 4, "--refit", 0)


def _config(**changes: object) -> TrainConfig:
    values: dict[str, object] = {
        "arch": "timm:test_resnet",
        "size": 32,
        "epochs": 2,
        "batch": 4,
        "precision": "32",
        "folds": 2,
        "refit": 0,
    }
    return make_config(**(values | changes))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data set of 12 photos and a run of it with two folds of two seeds."""
    folder = tmp_path_factory.mktemp("folds")
    data = class_folders(folder / "data", each=4)
    cross_fit(data, folder / "run", _config(seeds=2), ProgressCallbacks())
    return data, folder / "run"


def test_every_fold_of_every_seed_is_a_run_and_the_whole_is_one(run: tuple[Path, Path]) -> None:
    data, out = run
    folds = sorted(path.name for path in (out / "folds").iterdir())
    assert folds == ["seed0-fold1", "seed0-fold2", "seed1-fold1", "seed1-fold2"]
    for name in folds:
        kept = load_checkpoint(out / "folds" / name)
        assert (kept.photos, kept.config.folds, kept.calibration.n) == (6, 0, 6)
    whole = load_checkpoint(out)
    assert whole.photos == len(read_data(data).samples)
    assert whole.calibration.n == 24
    assert whole.calibration.fitted_on.endswith(":out of fold")
    assert [metric.name for metric in whole.metrics] == ["class", "sku", "category"]


def test_figures_and_page_are_of_the_folds(run: tuple[Path, Path]) -> None:
    _, out = run
    figures = json.loads((out / "folds.json").read_text())
    assert (figures["protocol"], figures["folds"], figures["seeds"]) == ("honest", 2, 2)
    assert figures["accuracy"]["class"]["n"] == 12
    assert {"value", "low", "high"} == set(figures["calibration_error"])
    page = (out / "report.html").read_text()
    assert "Every one of 12 photos was judged by a network that had seen neither it nor its like" in page
    assert "Honest protocol" in page
    assert "threshold of the other folds" in page


def test_the_model_says_that_it_was_trained_on_every_photo(run: tuple[Path, Path], capsys: Capture) -> None:
    data, out = run
    assert evaluate(open_predictor(out), read_data(data), "all").trained_on_these == 12
    told = call(capsys, main, "evaluate", out, data)
    assert "trained on 12 of these photos: none was held out: measure it on other photos" in told.stderr


def test_folds_that_are_trained_are_taken_over(run: tuple[Path, Path], tmp_path: Path) -> None:
    data, out = run
    told: list[Epoch] = []

    class Killed(Exception):  # noqa: N818 - it stands for a signal
        pass

    def stop_in_the_second_fold(epoch: Epoch) -> None:
        told.append(epoch)
        if len(told) == 3:
            raise Killed

    with pytest.raises(Killed):
        cross_fit(data, tmp_path / "run", _config(seeds=2), ProgressCallbacks(stop_in_the_second_fold))
    cross_fit(data, tmp_path / "run", _config(seeds=2), ProgressCallbacks(told.append), resume=True)
    assert len(told) == 3 + 2 + 2 + 2 + 2  # the second fold was stopped before its first epoch was kept
    first, second = (load_checkpoint(folder).weights for folder in (out, tmp_path / "run"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_folds_of_another_run_are_not_taken_over(run: tuple[Path, Path], tmp_path: Path) -> None:
    data, _ = run
    cross_fit(data, tmp_path / "run", _config(), ProgressCallbacks())
    (tmp_path / "run" / "model.ckpt").unlink()
    with pytest.raises(DataError, match=r"seed0-fold1: was trained with other values or photos"):
        cross_fit(data, tmp_path / "run", _config(lr=0.1), ProgressCallbacks(), resume=True)


def test_a_finished_run_is_refused(run: tuple[Path, Path]) -> None:
    data, out = run
    with pytest.raises(UsageError, match="holds a run already"):
        cross_fit(data, out, _config(seeds=2), ProgressCallbacks(), resume=True)


def test_refit_is_of_no_concern_where_every_photo_is_trained_on(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data", each=4)
    cross_fit(data, tmp_path / "run", _config(refit=0.5, epochs=1), ProgressCallbacks())
    with pytest.raises(UsageError, match="holds a run already"):
        cross_fit(data, tmp_path / "run", _config(refit=0.5, epochs=1), ProgressCallbacks())


def test_an_unfinished_run_goes_on_only_if_it_is_told_to(run: tuple[Path, Path], tmp_path: Path) -> None:
    data, _ = run
    (tmp_path / "run" / "folds").mkdir(parents=True)
    with pytest.raises(UsageError, match="holds an unfinished run: go on with --resume"):
        cross_fit(data, tmp_path / "run", _config(), ProgressCallbacks())


def test_fewer_photos_than_folds_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    data = class_folders(tmp_path / "data", each=4)
    result = call(capsys, main, "fit", data, "--out", tmp_path / "run", *TINY, "--folds", 5)
    said = (
        "class 'blue' has 4 photos that aren't nearly the same, fewer than --folds 5: add photos of it, or use --folds"
    )
    assert_one_line(result, 1, data, said)
    assert not (tmp_path / "run").exists()


def test_fit_with_folds_works_from_the_command_line(tmp_path: Path, capsys: Capture) -> None:
    data = class_folders(tmp_path / "data", each=3)
    write_table(
        data / "labels.csv", ("path", "name"), *[(f"{n}/{i}.png", n) for n in ("blue", "red") for i in range(3)]
    )
    result = call(capsys, main, "fit", data, "--out", tmp_path / "run", *TINY, "--folds", 3)
    assert result.returncode == 0, result.stderr
    assert "note: seed 0, fold 3 of 3" in result.stderr
    assert result.stdout.count("Held-out accuracy: ") == 3
