"""Converts a model from FP32 to a lower precision that keeps its accuracy, and recalibrates it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from export.fp16 import HalfPrecision
from export.onnx_graph import to_onnx
from export.photo_selection import Crops, PrecisionPhotos, trained_and_unseen
from export.precision_search import AccuracyJudge, PrecisionLowering, search_precision
from export.quantise import quantiser
from kardus.contract.manifest import Calibration, LowerPrecision, Precision
from kardus.inference.multi_crop import outputs_of
from kardus.inference.preprocess import Pixels
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import BundleError, DataError
from train.evaluation.calibration import calibrate as fit_calibration
from train.evaluation.calibration import held_out
from train.evaluation.outputs import run_network
from train.networks.checkpoint import MEASURED, Checkpoint, load_checkpoint

RunModel = Callable[[bytes, Pixels], RawOutputs]
"""Runs a model through the agent's classifier, on crops (N, S, S, 3) uint8 RGB."""


MIN_CALIBRATION_PHOTOS = 100
"""With fewer photos than this, and than the run had, temperature and thresholds aren't fitted again."""
COLLAPSE_POINTS = 1.0


@dataclass(frozen=True)
class PrecisionTarget:
    """A precision, and what it may cost."""

    precision: Precision
    max_drop: float
    """Percentage points of accuracy by class that may be lost."""
    data: Path | None = None
    """Photos to evaluate on; by default those held out of the run."""
    calibrate: Path | None = None
    """Photos to calibrate the quantisation ranges on; by default training photos."""


@dataclass(frozen=True)
class LowPrecisionModel:
    """A model of lower precision, with its metrics."""

    model: bytes
    calibration: Calibration
    """Fitted again, on the outputs of this precision."""
    found: LowerPrecision


def lower(
    path: Path,
    checkpoint: Checkpoint,
    plain: bytes,
    target: PrecisionTarget,
    *,
    run: RunModel,
    on_step: Callable[[str], None],
) -> LowPrecisionModel:
    """Convert the model and evaluate it.

    For a checkpoint that was refitted on the held-out photos, the network from before the refit is evaluated.

    Args:
        path: where the checkpoint is.
        checkpoint: the model to deliver.
        plain: its ONNX model in FP32.
        target: the precision, and what it may cost.
        run: gives an ONNX model's outputs for crops.
        on_step: called with a line on every step.

    Raises:
        BundleError: too much accuracy is lost.
        DataError: a data set can't be read.
        UsageError: there is no photo to evaluate on.
    """
    judged = _judged(path, checkpoint)
    photos = trained_and_unseen(judged, target.data, target.calibrate)
    unseen, calibration = photos.judging, photos.calibration
    before = _as_judged(judged, unseen, partial(run_network, judged.model()))
    measured_on = len(calibration) if target.precision == "int8" else 0
    judge = AccuracyJudge(before, unseen.names, judged.classes, judged.calibration, target.max_drop, measured_on)
    graph = plain if judged is checkpoint else to_onnx(judged.model(), judged.config.size)
    with _lowering(target.precision, graph, calibration) as lowering:
        found = search_precision(
            judge, lowering, lambda model: _as_judged(judged, unseen, partial(run, model)), on_step
        )
        judged_model = lowering.model(found.in_float)
    with _lowering(target.precision, plain, calibration) as lowering:
        model = lowering.model(found.in_float)
    _refuse_collapse(run(plain, unseen.pixels), run(model, unseen.pixels), found)
    calibrated = _calibration(judged, photos, partial(run, judged_model), on_step)
    return LowPrecisionModel(model, calibrated, found)


def _judged(path: Path, checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint to evaluate: the given one, or the one from before the refit on the held-out photos.

    Raises:
        DataError: the one that is there is of another run.
    """
    kept = (path if path.is_dir() else path.parent) / MEASURED
    if not checkpoint.refitted or not kept.exists():
        return checkpoint
    measured = load_checkpoint(kept)
    if (measured.classes, measured.data_sha256, measured.config) != (
        checkpoint.classes,
        checkpoint.data_sha256,
        checkpoint.config,
    ):
        raise DataError(f"{kept}: of another run than the checkpoint beside it: restore the run's own, or take it away")
    return measured


def _refuse_collapse(plain: RawOutputs, lowered: RawOutputs, found: LowerPrecision) -> None:
    """Require that the delivered model agrees with its FP32 version as closely as the evaluated one with its own.

    Raises:
        BundleError: it doesn't.
    """
    same = float((plain.logits.argmax(axis=1) == lowered.logits.argmax(axis=1)).mean())
    least = found.agreement - max(found.max_drop, COLLAPSE_POINTS) / 100
    if not same >= least:
        raise BundleError(
            f"not written: in this precision the model names the same class on {100 * same:.1f} % of "
            f"{found.accuracy.n} photos, the one that was judged on {100 * found.agreement:.1f} %: use --precision fp32"
        )


def _calibration(
    judged: Checkpoint,
    photos: PrecisionPhotos,
    run: Callable[[Pixels], RawOutputs],
    on_step: Callable[[str], None],
) -> Calibration:
    """The calibration, fitted again on this precision's outputs where there are enough photos."""
    names = [info.name for info in judged.classes]
    labels = np.array([names.index(name) for name in photos.judging.names], np.int64)
    if len(labels) < min(MIN_CALIBRATION_PHOTOS, judged.calibration.n):
        on_step(f"{len(labels)} photos are too few to fit temperature and thresholds again: they stay those of the run")
        return judged.calibration
    crops = photos.judging.pixels
    return fit_calibration(held_out(run(crops), crops, labels, judged.prototypes.numpy(), run), photos.origin)


def _as_judged(judged: Checkpoint, photos: Crops, run: Callable[[Pixels], RawOutputs]) -> RawOutputs:
    """The outputs that the agent would judge by."""
    return outputs_of(photos.pixels, run, judged.calibration, judged.prototypes.numpy())


@contextmanager
def _lowering(precision: Precision, model: bytes, calibration: Crops) -> Iterator[PrecisionLowering]:
    if precision == "fp16":
        yield HalfPrecision(model)
    else:
        with quantiser(model, calibration.pixels) as made:
            yield made
