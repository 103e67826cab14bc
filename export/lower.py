"""From a model in FP32 to one of lower precision that holds its accuracy, calibrated anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_agent.classifier import RawOutputs
from edge_agent.contract.manifest import Calibration, LowerPrecision, Precision
from export.graph import to_onnx
from export.half import Half
from export.judge import Judge, Lowering, search
from export.photos import Crops, trained_and_unseen
from export.quantise import quantiser
from train.evaluation.calibration import calibrate as fit_calibration
from train.evaluation.calibration import held_out
from train.evaluation.outputs import run_network
from train.networks.checkpoint import MEASURED, Checkpoint, load_checkpoint

Run = Callable[[bytes, Crops], RawOutputs]
"""Runs a model through the agent's classifier."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for of a lower precision."""

    precision: Precision
    max_drop: float
    """Points of accuracy by class that may be lost."""
    data: Path | None = None
    """Photos to judge by; by default those held out of the run."""
    calibrate: Path | None = None
    """Photos to measure ranges on; by default trained ones."""


@dataclass(frozen=True)
class LowerModel:
    """A model of lower precision, with what was measured of it."""

    model: bytes
    calibration: Calibration
    """Fitted again, on the answers of this precision."""
    found: LowerPrecision


def lower(
    path: Path, checkpoint: Checkpoint, plain: bytes, wanted: Wanted, *, run: Run, told: Callable[[str], None]
) -> LowerModel:
    """Make the model and judge it.

    A checkpoint that has learnt the held-out photos is judged by the network that hadn't, which its run kept.

    Args:
        path: where the checkpoint is.
        checkpoint: the model to deliver.
        plain: its graph in FP32.
        wanted: the precision, and what it may cost.
        run: what a model says.
        told: hears of every step.

    Raises:
        BundleError: the accuracy doesn't hold.
        DataError: a data set can't be read.
        UsageError: there is no photo to judge by.
    """
    judged = _judged(path, checkpoint)
    calibration, unseen = trained_and_unseen(judged, wanted.data, wanted.calibrate)
    before = run_network(judged.model(), unseen.pixels)
    judge = Judge(before, unseen.names, judged.classes, judged.calibration, wanted.max_drop, len(calibration))
    graph = plain if judged is checkpoint else to_onnx(judged.model(), judged.config.size)
    with _lowering(wanted.precision, graph, calibration) as lowering:
        found, outputs = search(judge, lowering, lambda model: run(model, unseen), told)
    with _lowering(wanted.precision, plain, calibration) as lowering:
        model = lowering.model(found.in_float)
    names = [info.name for info in judged.classes]
    labels = np.array([names.index(name) for name in unseen.names], np.int64)
    answers = held_out(outputs, labels, judged.prototypes.numpy())
    return LowerModel(model, fit_calibration(answers, f"{judged.data_sha256}:val"), found)


def _judged(path: Path, checkpoint: Checkpoint) -> Checkpoint:
    kept = (path if path.is_dir() else path.parent) / MEASURED
    return load_checkpoint(kept) if checkpoint.refitted and kept.exists() else checkpoint


@contextmanager
def _lowering(precision: Precision, model: bytes, calibration: Crops) -> Iterator[Lowering]:
    if precision == "fp16":
        yield Half(model)
    else:
        with quantiser(model, calibration.pixels) as made:
            yield made
