"""Evaluates by grouped cross-validation, then trains the final model on every photo, calibrated out of fold."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from kardus.contract.manifest import ClassInfo
from kardus.support.errors import DataError
from kardus.support.files import make_folder
from train.config import TrainConfig
from train.data.data_set import DataSet, check_trainable, read_data
from train.data.splits import Groups, all_trained, assign_folds, photo_groups
from train.devices import process_rank, wait_for_all
from train.evaluation.calibration import HELD_OUT_FILE, HeldOut, calibrate, read_answers
from train.evaluation.cross_validation import Fold, pool
from train.fitting.fit import OutOfFoldFigures, fit_prepared
from train.fitting.prepare import prepare_split
from train.fitting.progress import ProgressCallbacks
from train.fitting.run_folder import FOLDS, refuse_used, run_folder
from train.networks.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint, write_json
from train.study.cross_fit_report import cross_validation_json, write_cross_validation


def cross_fit(
    source: Path, out: Path, config: TrainConfig, progress: ProgressCallbacks, *, resume: bool = False
) -> Checkpoint:
    """Train every fold, pool the out-of-fold outputs, then train on all photos; write the run folder `out`.

    Raises:
        DataError: the data set can't be trained on, or a class has fewer photos than there are folds.
        UsageError: `out` holds a run already, or one of other values.
    """
    refuse_used(out, resume=resume)
    with run_folder(out):
        data = all_trained(read_data(source))
        check_trainable(data)
        folds = list(train_folds(data, out / FOLDS, config, progress))
        pooled = pool(folds, data.classes)
        if process_rank() == 0:
            write_json(out / "folds.json", cross_validation_json(pooled, config))
            title = f"{out.name}: {config.folds} folds of {source.name}"
            write_cross_validation(out / "report.html", title, pooled, data.classes)
        progress.note("measured by folds; now training on every photo")
        measured = OutOfFoldFigures(
            calibrate(HeldOut.joined([fold.answers for fold in folds]), f"{data.sha256()}:out of fold"),
            tuple(pooled.accuracy.values()),
        )
        config = config.for_photos(len(data.samples))
        return fit_prepared(prepare_split(data, config), out, config, progress, measured)


def train_folds(
    data: DataSet, folder: Path, config: TrainConfig, progress: ProgressCallbacks, groups: Groups | None = None
) -> Iterator[Fold]:
    """Train each fold of each seed; folds that an interrupted run has finished are reused.

    `groups` (n,) are those of `photo_groups`, where they are known already.

    Raises:
        DataError: a class has fewer photos than there are folds.
    """
    names = [sample.name for sample in data.samples]
    groups = photo_groups(data.samples) if groups is None else groups
    for seed in range(config.seed, config.seed + config.seeds):
        try:
            fold_of = assign_folds(names, groups, config.folds, seed)
        except DataError as error:
            raise DataError(f"{data.source}: {error}") from error
        single = config.model_copy(update={"folds": 0, "seeds": 1, "refit": 0.0, "seed": seed})
        for number in range(config.folds):
            progress.note(f"seed {seed}, fold {number + 1} of {config.folds}")
            out = folder / f"seed{seed}-fold{number + 1}"
            answers = _train_fold(data, fold_of == number, out, single, progress)
            yield Fold(seed, number, np.flatnonzero(fold_of == number), answers)


def _train_fold(
    data: DataSet, held: np.ndarray, out: Path, config: TrainConfig, progress: ProgressCallbacks
) -> HeldOut:
    samples = (replace(s, split="val" if h else "train") for s, h in zip(data.samples, held, strict=True))
    split = replace(data, samples=tuple(samples))
    config = config.for_photos(int((~held).sum()))
    if not (out / CHECKPOINT).exists():
        make_folder("--out", out)
        fit_prepared(prepare_split(split, config), out, config, progress)
    wait_for_all()
    _check_same(out, config, split.sha256(), data.classes)
    return read_answers(out / HELD_OUT_FILE)


def _check_same(out: Path, config: TrainConfig, sha256: str, classes: tuple[ClassInfo, ...]) -> None:
    """Refuse to reuse a fold that was trained with other values or photos."""
    kept = load_checkpoint(out)
    asked = config.settled_as(kept.config.precision)
    if (kept.config, kept.data_sha256, kept.classes) != (asked, sha256, classes):
        raise DataError(f"{out}: was trained with other values or photos: remove it, or name a new folder with --out")
