"""One training run, from a data set to a run folder."""

import contextlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from kardus.contract.manifest import Calibration, Metric
from kardus.support.errors import DataError
from train.config import TrainConfig
from train.data.data_set import DataSet
from train.data.proposals import left_out_note
from train.devices import process_rank
from train.evaluation.calibration import HELD_OUT_FILE, HeldOut, calibrate, keep_answers
from train.evaluation.evaluation_report import report_run
from train.evaluation.predictor import open_checkpoint
from train.evaluation.resolution import accuracy_by_pixels
from train.fitting.curves import TensorboardLog, draw_curves
from train.fitting.finalise import accuracy_of, answers_of, category_of, finalise, teacher_of, template, weights_of
from train.fitting.loop import Epoch, train
from train.fitting.precision import settle
from train.fitting.prepare import PreparedPhotos, prepare
from train.fitting.progress import ProgressCallbacks
from train.fitting.refit import refit
from train.fitting.resume import LAST_STATE_FILE, ResumeFile, refuse_other_run
from train.fitting.run_folder import METRICS, REPORT, refuse_used, run_folder
from train.networks.carton import CartonNet
from train.networks.checkpoint import (
    CHECKPOINT,
    MEASURED,
    Checkpoint,
    build_network,
    load_checkpoint,
    save_checkpoint,
    write_json,
)
from train.networks.initial_weights import WeightsOrigin, initialise
from train.networks.macs import multiply_adds
from train.recipe import FILE as RECIPE
from train.recipe import write_recipe

MAX_NAMED = 3
BEFORE_REFIT = (
    f"These figures are of the network before its refit on these photos too ({MEASURED}). The refit is compared with "
    f"it ({METRICS}), and refused where it is worse: then this network is the one that is delivered."
)


@dataclass(frozen=True)
class OutOfFoldFigures:
    """Calibration and metrics that were measured out of fold."""

    calibration: Calibration
    metrics: tuple[Metric, ...]


@dataclass(frozen=True)
class _Trained:
    """A trained network with its outputs for the held-out photos, and its metrics."""

    checkpoint: Checkpoint
    answers: HeldOut
    history: list[Epoch]
    test: Metric | None


def fit(
    source: Path, out: Path, config: TrainConfig, progress: ProgressCallbacks | None = None, *, resume: bool = False
) -> Checkpoint:
    """Train on a data set and write the run folder `out`.

    Args:
        source: the data set.
        out: must not hold a run yet; with `resume`, it may hold an unfinished one.
        config: the hyperparameters.
        progress: called on notes and epochs.
        resume: whether to resume an unfinished run.

    Raises:
        DataError: the data set cannot be trained on, or a checkpoint can't be written; the last one stays.
        UsageError: `out` holds a run already, or one of other values.
        KardusError: the loss is no longer finite; the last good state stays.
    """
    progress = progress or ProgressCallbacks()
    refuse_used(out, resume=resume)
    with run_folder(out):
        prepared = prepare(source, config)
        config = config.for_photos(len(prepared.train.labels))
        checkpoint = _report(prepared, out, fit_prepared(prepared, out, config, progress), progress)
        if checkpoint.waits_for_refit:
            checkpoint = refit(prepared, out, checkpoint, progress)
        return checkpoint


def fit_prepared(
    prepared: PreparedPhotos,
    out: Path,
    config: TrainConfig,
    progress: ProgressCallbacks,
    measured: OutOfFoldFigures | None = None,
) -> Checkpoint:
    """Train on prepared photos, or reuse the network that an interrupted start of this run has trained.

    `measured` are the calibration and metrics of a network without held-out photos.
    """
    if (out / CHECKPOINT).exists():  # the run was killed during its report or the refit
        kept = load_checkpoint(out)
        refuse_other_run(out / CHECKPOINT, kept.config.model_dump(), kept.data_sha256, template(prepared, config))
        return kept
    start, origin = start_network(prepared, config)
    for note in (_size(start, config), *_unfinished_start(config.init), *_notes(prepared, origin)):
        progress.note(note)
    config = settle(config, start, out, progress.note)
    trained = _train(prepared, start, config, progress, out)
    if measured:
        known = replace(trained.checkpoint, calibration=measured.calibration, metrics=measured.metrics)
        trained = replace(trained, checkpoint=known)
    if process_rank() == 0:
        _write(out, trained, prepared, origin)
    return trained.checkpoint


def _report(prepared: PreparedPhotos, out: Path, checkpoint: Checkpoint, progress: ProgressCallbacks) -> Checkpoint:
    """Measure accuracy by resolution and write the report, before anything is trained on the held-out photos.

    The photos are read again for it: one that has disappeared meanwhile costs the report, not the run.
    """
    if process_rank() != 0:
        return checkpoint
    if (out / REPORT).exists():
        return load_checkpoint(out)
    model = open_checkpoint(checkpoint)
    names = {info.name for info in checkpoint.classes}
    held_out = [sample for sample in prepared.data.samples if sample.split == "val" and sample.name in names]
    try:
        known = replace(checkpoint, pixels=accuracy_by_pixels(model, held_out) if held_out else ())
    except DataError as error:
        progress.note(_unreported(checkpoint, error))
        return checkpoint
    save_checkpoint(out / CHECKPOINT, known)  # first: a run with a report is done
    try:
        report_run(out, prepared.data, model, known.pixels, BEFORE_REFIT if checkpoint.waits_for_refit else "")
    except DataError as error:
        progress.note(_unreported(known, error))
    return known


def _unreported(checkpoint: Checkpoint, error: DataError) -> str:
    later = "" if checkpoint.waits_for_refit else f"; restore what it lacks, and --resume writes {REPORT}"
    return f"no {REPORT} is written: {error}{later}"


def start_network(prepared: PreparedPhotos, config: TrainConfig) -> tuple[CartonNet, WeightsOrigin | None]:
    """The network before the first step, and where its weights come from (None: random)."""
    torch.manual_seed(config.seed)
    network = build_network(config, prepared.classes)
    return network, initialise(network, config.arch, config.init) if config.init else None


def _size(network: CartonNet, config: TrainConfig) -> str:
    parameters = sum(parameter.numel() for parameter in network.parameters())
    cost = multiply_adds(network, config.size)
    return f"{config.arch} at {config.size} px: {parameters / 1e6:.1f} M parameters, {cost / 1e9:.2f} GMAC a crop"


def _unfinished_start(init: str) -> list[str]:
    """That the weights to begin with are of a run that isn't finished."""
    path = Path(init)
    if not init or not ((path / CHECKPOINT).is_file() or path.name == CHECKPOINT):
        return []
    unfinished = load_checkpoint(path).unfinished
    return [f"--init {init}: its run is unfinished: {unfinished}; the weights are those of now"] if unfinished else []


def _notes(prepared: PreparedPhotos, origin: WeightsOrigin | None) -> list[str]:
    """What the user should know before the work begins."""
    loaded = [origin] if origin else []
    return [
        *(f"{o.tensors} tensors from {o.source} (SHA-256 {o.sha256}); the head is new" for o in loaded),
        *prepared.data.notes,
        *left_out_note(prepared.data.source, prepared.data.proposals),
        *(
            f"class '{name}' has no photo to train on: it is left out, and so are its {count} held-out photos"
            for name, count in prepared.left_out.items()
        ),
        *_single_note(prepared.data),
    ]


def _single_note(data: DataSet) -> list[str]:
    """That classes have one photo to train on, with their names."""
    counts = Counter(sample.name for sample in data.select("train").samples)
    single = sorted(name for name, count in counts.items() if count == 1)
    if not single:
        return []
    named = ", ".join(single[:MAX_NAMED]) + (", ..." if len(single) > MAX_NAMED else "")
    return [f"one photo to train on, where 10 or more are advised: {named} ({len(single)} of {len(counts)} classes)"]


def _train(
    prepared: PreparedPhotos, start: CartonNet, config: TrainConfig, progress: ProgressCallbacks, out: Path
) -> _Trained:
    history: list[Epoch] = []
    with contextlib.ExitStack() as until_trained:  # however the training ends
        tensorboard = TensorboardLog(out) if process_rank() == 0 else None
        if tensorboard:
            until_trained.callback(tensorboard.close)

        def remember(epoch: Epoch) -> None:
            history.append(epoch)
            progress.epoch(epoch)
            if tensorboard:
                tensorboard.write(epoch)

        model = train(
            start,
            prepared.views(config),
            prepared.val,
            config,
            remember,
            category_of=category_of(prepared),
            teacher=teacher_of(config, prepared),
            resume_store=ResumeFile(out / LAST_STATE_FILE, template(prepared, config)),
            on_batch=progress.batch,
        )
    network, prototypes = finalise(model, prepared.train, config)
    answers = answers_of(network, prepared.val, prototypes)
    calibration = calibrate(answers, f"{prepared.sha256}:val")
    test = None
    if config.protocol == "founding":  # the study tested on the originals
        test = accuracy_of(prepared, answers_of(network, prepared.train, prototypes), calibration)
    measured = (accuracy_of(prepared, answers, calibration),) if len(answers.labels) else ()
    checkpoint = replace(
        template(prepared, config),
        calibration=calibration,
        metrics=measured,
        weights=weights_of(network),
        prototypes=torch.from_numpy(prototypes),
    )
    return _Trained(checkpoint, answers, history, test)


def _write(out: Path, trained: _Trained, prepared: PreparedPhotos, origin: WeightsOrigin | None) -> None:
    draw_curves(trained.history, out / "curves.png")
    write_json(out / METRICS, _metrics_file(trained, prepared, origin))
    write_recipe(out / RECIPE, trained.checkpoint.config)
    keep_answers(out / HELD_OUT_FILE, trained.answers)
    save_checkpoint(out / CHECKPOINT, trained.checkpoint)
    (out / LAST_STATE_FILE).unlink(missing_ok=True)


def _metrics_file(trained: _Trained, prepared: PreparedPhotos, origin: WeightsOrigin | None) -> dict[str, object]:
    checkpoint = trained.checkpoint
    return {
        "protocol": checkpoint.config.protocol,
        "figures_of": CHECKPOINT,
        "init": vars(origin) if origin else None,
        "config": checkpoint.config.model_dump(),
        "data": {"source": checkpoint.data_source, "sha256": checkpoint.data_sha256},
        "left_out": prepared.left_out,
        "photos": {"train": len(prepared.train.labels), "val": len(prepared.val.labels)},
        "val": [metric.model_dump() for metric in checkpoint.metrics],
        "test": trained.test.model_dump() if trained.test else None,
        "calibration": checkpoint.calibration.model_dump(),
        "versions": checkpoint.versions,
        "epochs": [_finite(epoch) for epoch in trained.history],
    }


def _finite(epoch: Epoch) -> dict[str, float | None]:
    """For JSON, which has no nan: None for the validation metrics of an epoch without validation."""
    return {key: value if np.isfinite(value) else None for key, value in vars(epoch).items()}
