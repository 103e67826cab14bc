"""Two processes under torchrun train one model."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch

from tests.conftest import BIN
from tests.in_process import call
from tests.patience import PATIENCE_S
from tests.train.making import labelled
from train.__main__ import main
from train.networks.checkpoint import load_checkpoint

OPTIONS = (
    "--recipe",
    "scratch",
    "--arch",
    "timm:test_resnet",
    "--size",
    "32",
    "--epochs",
    "4",
    "--batch",
    "4",
    "--precision",
    "32",
)


def _torchrun(*words: object) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "torchrun"), "--standalone", "--nproc-per-node", "2", "-m", "train", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=5 * PATIENCE_S)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, subprocess.CompletedProcess[str]]:
    """A data set, a run of two processes on it, and what they said."""
    folder = tmp_path_factory.mktemp("shared")
    data = labelled(folder / "data", each=6, val=2)
    return data, folder / "run", _torchrun("fit", data, "--out", folder / "run", *OPTIONS, "--refit", "0.5")


@pytest.mark.slow
def test_two_processes_write_one_run_and_tell_of_it_once(
    shared: tuple[Path, Path, subprocess.CompletedProcess[str]],
) -> None:
    _, run, result = shared
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("Run written to") == 1
    assert result.stderr.count("epoch 1/4") == 1
    assert load_checkpoint(run).refitted
    assert (run / "report.html").is_file()


@pytest.mark.slow
def test_every_photo_is_seen_by_one_of_them(shared: tuple[Path, Path, subprocess.CompletedProcess[str]]) -> None:
    _, run, _ = shared
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["photos"] == {"train": 12, "val": 6}
    assert all(0 <= epoch["train_accuracy"] <= 1 for epoch in metrics["epochs"])
    shares = {round(12 * epoch["train_accuracy"], 6) % 1 for epoch in metrics["epochs"]}
    assert shares == {0}  # hits of all 12 photos, not of one half


@pytest.mark.slow
def test_a_run_of_two_goes_on_to_the_same_weights(
    shared: tuple[Path, Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    data, run, _ = shared
    again = _torchrun("fit", data, "--out", tmp_path / "run", *OPTIONS, "--refit", "0.5", "--resume")
    assert again.returncode == 0, again.stderr
    first, second = (load_checkpoint(folder).weights for folder in (run, tmp_path / "run"))
    assert all(
        torch.allclose(first[name], second[name], atol=1e-5) for name in first if first[name].is_floating_point()
    )


def test_a_batch_that_is_too_small_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")  # as torchrun sets it; it is refused before the processes meet
    data = labelled(tmp_path / "data", each=6, val=2)
    result = call(capsys, main, "fit", data, "--out", tmp_path / "run", *OPTIONS, "--batch", "3")
    assert result.returncode == 2
    assert "--batch 3: 2 processes need two photos each: use 4 or more" in result.stderr
    assert not (tmp_path / "run" / "model.ckpt").exists()
