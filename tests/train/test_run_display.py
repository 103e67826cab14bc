"""A run says how far it is, when it will be done, and how to go on with it; in a log, too."""

from pathlib import Path

import pytest
from rich.progress import Progress

from tests.clocks import clock_of
from tests.in_process import call
from tests.train.making import labelled
from train import run_display
from train.__main__ import main
from train.fitting.loop import Batch, Epoch
from train.run_display import LOG, RunDisplay

Capture = pytest.CaptureFixture[str]
TINY = ("--recipe", "scratch", "--arch", "timm:test_resnet", "--size", 32, "--epochs", 3, "--batch", 4, "--refit", 0)


def test_an_interrupted_run_says_how_to_go_on_and_its_log_says_what_was(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = RunDisplay.epoch

    def interrupted(self: RunDisplay, epoch: Epoch) -> None:
        told(self, epoch)
        if epoch.epoch == 2:
            raise KeyboardInterrupt  # as a SIGINT does

    monkeypatch.setattr(RunDisplay, "epoch", interrupted)
    data, out = labelled(tmp_path / "data", each=4, val=1), tmp_path / "my run"
    result = call(capsys, main, "fit", data, *TINY, "--out", out)
    assert result.returncode == 130
    said = f"interrupted: its last state is stored; go on with: kardus fit {data} "
    assert said in result.stderr
    assert f"--out '{out}' --resume" in result.stderr
    log = (out / LOG).read_text().splitlines()
    assert [line.split(" ", 1)[1][:9] for line in log if " epoch " in line] == ["epoch 1/3", "epoch 2/3"]
    assert said in log[-1]


def test_one_that_has_stored_nothing_says_that(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/bin/kardus-train", "fit", "data", "--out", "run"])
    with Progress(disable=True) as progress:
        RunDisplay(progress, tmp_path / "run").interrupted(is_stored=False)
    assert "nothing of it is stored yet; begin again with: kardus-train fit data --out run\n" in capsys.readouterr().err


def test_within_an_epoch_it_is_told_how_far_it_is_and_how_long_it_will_take(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 0.0
    monkeypatch.setattr(run_display, "time", clock_of(monotonic=lambda: now_s))
    with Progress(disable=True) as progress:
        display = RunDisplay(progress, tmp_path)
        for number in range(1, 101):
            now_s += 10.0
            display.batch(Batch(epoch=1, of=4, batch=number, batches=100))
        display.epoch(Epoch(1, 4, 0.5, 0.9, float("nan"), float("nan"), 1000.0))
        now_s += 5.0
        display.batch(Batch(epoch=1, of=1, batch=1, batches=9))  # the refit: another training
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch")]
    assert lines[0] == "epoch 1/4, batch 3/100, about 66 min left"
    assert len(lines) == 34, "a line every 30 s, and one for the epoch"
    assert lines[-1] == "epoch 1/4: loss 0.500, 1000 s, about 50 min left"
    assert [line.split(" ", 1)[1] for line in (tmp_path / LOG).read_text().splitlines()] == lines
    assert run_display._duration(7300) == "2.0 h"
