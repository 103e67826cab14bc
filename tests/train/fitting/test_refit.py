"""What a refit delivers is measured against the network that was measured, and refused where it is worse."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from export.build import build
from export.lower_precision import PrecisionTarget
from kardus.support.errors import DataError, UsageError
from tests.in_process import call
from tests.train.making import labelled
from train.__main__ import main
from train.config import TrainConfig, make_config
from train.fitting import loop
from train.fitting import refit as refitting
from train.fitting.fit import fit
from train.fitting.loop import Epoch
from train.fitting.progress import ProgressCallbacks
from train.fitting.refit import cross_entropies, refit_summary
from train.networks.checkpoint import CHECKPOINT, MEASURED, RefitOutcome, load_checkpoint

Capture = pytest.CaptureFixture[str]


class Stopped(Exception):  # noqa: N818 - it stands for a signal
    """Ends a run from within."""


def _config(**changes: object) -> TrainConfig:
    values: dict[str, object] = {"arch": "timm:test_resnet", "size": 32, "epochs": 6, "batch": 4, "refit": 0.5}
    return make_config(**(values | changes))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return labelled(tmp_path / "data", each=8, val=3)


def test_a_refit_that_makes_it_worse_is_refused_and_the_measured_network_delivered(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = loop.train

    def confusing(*words: Any, **more: Any) -> nn.Module:
        """Trains, and then takes each class for the next one: what a refit gone wrong looks like, for certain."""
        model = whole(*words, **more)
        last = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
        with torch.no_grad():
            last.weight.copy_(last.weight.roll(1, dims=0))
            last.bias.copy_(last.bias.roll(1, dims=0))
        return model

    monkeypatch.setattr(refitting, "train", confusing)
    notes: list[str] = []
    run = tmp_path / "run"
    checkpoint = fit(data, run, _config(), ProgressCallbacks(note=notes.append))
    assert checkpoint.refit is not None
    assert checkpoint.refit.refused
    assert (checkpoint.refitted, checkpoint.photos) == (False, 15)
    assert "the refit is refused" in notes[-1]
    assert not (run / MEASURED).exists()
    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["figures_of"], metrics["refit"]["refused"]) == (CHECKPOINT, checkpoint.refit.refused)
    assert load_checkpoint(run).unfinished == "", "it isn't done again"


def test_a_refit_that_is_no_worse_is_delivered_and_the_figures_say_whose_they_are(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    checkpoint = fit(data, run, _config())
    assert checkpoint.refitted
    outcome = load_checkpoint(run).refit
    assert outcome is not None
    assert (outcome.photos, outcome.refused) == (9, "")
    metrics = json.loads((run / "metrics.json").read_text())
    assert (metrics["figures_of"], metrics["refit"]) == (MEASURED, outcome.model_dump())
    assert "before its refit on these photos too" in (run / "report.html").read_text()
    assert load_checkpoint(run / MEASURED).unfinished == ""


def test_the_remedy_for_photos_that_a_refit_has_learnt_leaves_them_out(
    data: Path, tmp_path: Path, capsys: Capture
) -> None:
    table, run = data / "labels.csv", tmp_path / "run"
    table.write_text(re.sub(r"(7\.png,\w+,)train", r"\1test", table.read_text()))
    assert fit(data, run, _config()).refitted
    counts: dict[str, int] = {}
    for split, count in (("val", 9), ("train", 12), ("all", 21), ("test", 0)):
        told = call(capsys, main, "evaluate", run, data, "--split", split, "--json")
        counts[split] = json.loads(told.stdout)["trained_on_these"]
        assert (f"was trained on {count} of these photos: " in told.stderr) == (count > 0)
        assert ("measured.ckpt, from before the refit, with --split val" in told.stderr) == (count > 0)
    assert counts == {"val": 9, "train": 12, "all": 21, "test": 0}
    told = call(capsys, main, "evaluate", run / MEASURED, data, "--split", "val", "--json")
    assert (json.loads(told.stdout)["trained_on_these"], "was trained on" in told.stderr) == (0, False)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, False),
        ({"loss_after": 0.5}, True),
        ({"kept": 0.8}, True),
        ({"agreement": 0.5}, False),  # it may learn what was wrong before
        ({"agreement": 0.6, "strayed": 0.25}, True),
        ({"agreement": 0.94, "strayed": 0.06}, True),
        ({"agreement": 0.95, "strayed": 0.05}, False),
        ({"photos": 4, "agreement": 0.75, "strayed": 0.25}, False),  # a single photo tells nothing
        ({"photos": 4, "agreement": 0.5, "strayed": 0.5}, True),
    ],
)
def test_what_is_refused(changes: dict[str, float], *, refused: bool) -> None:
    values = {"photos": 100, "loss_before": 0.4, "loss_after": 0.3, "agreement": 1.0, "kept": 1.0} | changes
    outcome = RefitOutcome.model_validate(values)
    assert bool(refitting.refit_problem(outcome, was_right=80)) is refused


def _logits(answers: list[int], sure: float) -> NDArray[np.float32]:
    return np.eye(3, dtype=np.float32)[answers] * np.float32(sure)


@pytest.mark.parametrize(
    ("after", "sure", "figures", "said"),
    [
        ([0, 0, 0, 0, 2, 2, 1, 1], 2, (0.75, 0.25), "2 are named otherwise than before, and farther from right"),
        ([0, 0, 0, 0, 2, 2, 0, 0], 2, (0.5, 0.25), "2 are named otherwise"),
        ([0, 0, 0, 0, 2, 2, 1, 1], 0.5, (0.75, 0.0), ""),  # from one guess to another: the right one is likelier
        ([0, 0, 0, 0, 2, 1, 1, 1], 1.1, (0.875, 0.125), ""),
        ([0, 0, 0, 0, 0, 0, 0, 0], 2, (0.5, 0.0), ""),
        ([2, 2, 0, 0, 0, 0, 0, 0], 2, (0.25, 0.25), "2 photos that were named rightly"),
    ],
)
def test_a_network_that_answers_otherwise_and_wrongly_is_refused(
    after: list[int], sure: float, figures: tuple[float, float], said: str
) -> None:
    """All photos are of the first class."""
    before = _logits([0, 0, 0, 0, 1, 1, 1, 1], 1)
    outcome = refitting.compare_outputs(before, _logits(after, sure), np.zeros(8, np.int64))
    assert (outcome.agreement, outcome.strayed) == figures
    assert outcome.refused.startswith(said)
    assert bool(outcome.refused) is bool(said)


@pytest.mark.parametrize(
    ("configured", "trained", "held_out", "share"), [(0.2, 800, 86, 0.2), (0.2, 28, 28, 0.5), (0.9, 28, 28, 0.9)]
)
def test_what_was_held_out_is_learnt_for_as_long_as_it_is_large(
    configured: float, trained: int, held_out: int, share: float
) -> None:
    assert refitting.refit_share(configured, trained=trained, held_out=held_out) == pytest.approx(share)


def test_with_half_of_the_photos_held_out_the_refit_takes_half_of_the_epochs(tmp_path: Path) -> None:
    epochs: list[Epoch] = []
    fit(
        labelled(tmp_path / "half", each=8, val=4),
        tmp_path / "run",
        _config(refit=0.1),
        ProgressCallbacks(epochs.append),
    )
    assert {epoch.of for epoch in epochs} == {6, 3}


def test_the_loss_is_torch_s() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 1.0]], np.float32)
    assert cross_entropies(logits, np.array([0, 0])) == pytest.approx([np.log1p(np.exp(-2)), np.log1p(np.exp(1))])
    assert cross_entropies(np.array([[np.inf, 0.0]], np.float32), np.array([0])) == [refitting.WORST_LOSS]
    assert "no photo was held out" in refit_summary(
        RefitOutcome(photos=0, loss_before=0, loss_after=0, agreement=1, kept=1)
    )


@pytest.fixture
def refitting_run(data: Path, tmp_path: Path) -> Path:
    """A run that was evaluated, and whose refit was interrupted."""
    told = 0

    def stop_in_refit(epoch: Epoch) -> None:
        nonlocal told
        told += 1
        if told > epoch.of and epoch.of < 6:
            raise Stopped

    with pytest.raises(Stopped):
        fit(data, tmp_path / "run", _config(), ProgressCallbacks(stop_in_refit))
    return tmp_path / "run"


def test_a_run_whose_refit_goes_on_is_said_to_be_unfinished(
    refitting_run: Path, data: Path, tmp_path: Path, capsys: Capture
) -> None:
    said = "its refit on the held-out photos too isn't done yet"
    result = call(capsys, main, "evaluate", refitting_run, data, "--json")
    assert f"its run is unfinished: {said}" in result.stderr
    assert json.loads(result.stdout)["unfinished"] == said
    out = tmp_path / "x.bundle"
    with pytest.raises(UsageError, match=f"unfinished, {said}: wait for it, or go on with it"):
        build(refitting_run, out)
    assert not out.exists()
    with pytest.raises(DataError, match="nowhere"):  # it goes on to what comes next
        build(refitting_run, out, unfinished=True, target=PrecisionTarget("fp32", 0.0, tmp_path / "nowhere"))


def test_a_run_that_is_not_finished_is_no_teacher_and_said_to_be_where_it_is_begun_with(
    refitting_run: Path, data: Path, tmp_path: Path
) -> None:
    said = "its refit on the held-out photos too isn't done yet"
    with pytest.raises(UsageError, match=f"run: unfinished, {said}: wait for it, or go on with it"):
        fit(data, tmp_path / "student", _config(epochs=1, teacher=str(refitting_run)), ProgressCallbacks())
    assert not (tmp_path / "student").exists()
    notes: list[str] = []
    config = _config(epochs=1, init=str(refitting_run), refit=0.0)
    fit(data, tmp_path / "begun", config, ProgressCallbacks(lambda _: None, notes.append))
    assert f"--init {refitting_run}: its run is unfinished: {said}; the weights are those of now" in notes
