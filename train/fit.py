"""One training run, from a data set to a run folder."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from edge_agent.classifier import interpret
from edge_agent.contract.manifest import Calibration, Metric
from edge_agent.errors import DataError, UsageError
from edge_agent.files import make_folder
from edge_agent.records import Classification
from train.checkpoint import CHECKPOINT, Checkpoint, build_network, categories_of, save_checkpoint, write_json
from train.config import TrainConfig
from train.curves import draw_curves
from train.data import DataSet, check_trainable, read_data, with_split
from train.initial import Origin, initialise
from train.loop import CACHE_MARGIN, Epoch, Photos, predict, train
from train.metrics import fit_temperature, share
from train.networks.carton import CartonNet
from train.photos import label_indices, load_crops
from train.recipe import FILE as RECIPE
from train.recipe import write_recipe

THRESHOLD_MARGIN = 0.75


@dataclass(frozen=True)
class Prepared:
    """A data set that is ready to train on: its two splits in memory."""

    data: DataSet
    sha256: str
    """Of the data set, taken before anything was trained on it."""
    left_out: dict[str, int]
    """Classes without a photo to train on, with how many photos of them are held out in vain."""
    train: Photos
    val: Photos


def fit(
    source: Path,
    out: Path,
    config: TrainConfig,
    on_epoch: Callable[[Epoch], None],
    on_note: Callable[[str], None] = lambda _: None,
) -> Checkpoint:
    """Train on a data set and write the run folder `out`, which must not hold a run yet.

    Raises:
        DataError: the data set cannot be trained on.
        UsageError: `out` holds a run already.
    """
    if (out / CHECKPOINT).exists():
        raise UsageError(f"--out {out}: holds a run already: name a new folder")
    with _run_folder(out):
        prepared = prepare(source, config)
        start = _start(prepared, config)
        for note in _notes(prepared, start.origin):
            on_note(note)
        return _fit(prepared, start, out, config, on_epoch)


@dataclass(frozen=True)
class _Start:
    """The network before the first step, and where its weights come from (None: random)."""

    network: CartonNet
    origin: Origin | None


def _start(prepared: Prepared, config: TrainConfig) -> _Start:
    torch.manual_seed(config.seed)
    network = build_network(config, prepared.data.classes)
    return _Start(network, initialise(network, config.arch, config.init) if config.init else None)


def _notes(prepared: Prepared, origin: Origin | None) -> list[str]:
    """What the user should know before the work begins."""
    loaded = [origin] if origin else []
    return [
        *(f"{o.tensors} tensors from {o.source} (SHA-256 {o.sha256}); the head is new" for o in loaded),
        *prepared.data.notes,
        *(
            f"class '{name}' has no photo to train on: it is left out, and so are its {count} held-out photos"
            for name, count in prepared.left_out.items()
        ),
    ]


def _fit(
    prepared: Prepared, start: _Start, out: Path, config: TrainConfig, on_epoch: Callable[[Epoch], None]
) -> Checkpoint:
    history: list[Epoch] = []

    def remember(epoch: Epoch) -> None:
        history.append(epoch)
        on_epoch(epoch)

    classes = prepared.data.classes
    categories = categories_of(classes)
    category_of = np.array([categories.index(info.category) for info in classes])
    model = train(start.network, prepared.train, prepared.val, config, remember, category_of=category_of)
    checkpoint = _checkpoint(prepared, config, model.state_dict(), predict(model, prepared.val.pixels).numpy())
    draw_curves(history, out / "curves.png")
    write_json(out / "metrics.json", _metrics_file(checkpoint, history, prepared, start.origin))
    write_recipe(out / RECIPE, config)
    save_checkpoint(out / CHECKPOINT, checkpoint)
    return checkpoint


@contextlib.contextmanager
def _run_folder(out: Path) -> Iterator[None]:
    """Make the folder before the work, so that a name that can't be used costs nothing; a failed run leaves none."""
    is_new = not out.exists()
    make_folder("--out", out)
    try:
        yield
    finally:
        if is_new and not any(out.iterdir()):
            out.rmdir()


def prepare(source: Path, config: TrainConfig) -> Prepared:
    """Read the data set, split it where it marks no split, and load its photos."""
    data = with_split(read_data(source), config.val_fraction, config.seed)
    training = data.select("train")
    check_trainable(training)
    trained = {sample.name for sample in training.samples}
    left_out = Counter(sample.name for sample in data.samples if sample.name not in trained)
    data = replace(data, classes=tuple(info for info in data.classes if info.name in trained))
    names = [info.name for info in data.classes]
    if not any(s.split == "val" and s.name in trained for s in data.samples):
        raise DataError(
            f"{data.source}: no photo is marked val: mark some of each class, or leave the split empty everywhere"
        )
    held = replace(data, samples=tuple(s for s in data.samples if s.split == "val" and s.name in trained))
    cached_px = round(config.size * CACHE_MARGIN)
    return Prepared(
        data,
        data.sha256(),
        dict(sorted(left_out.items())),
        Photos(load_crops(training, cached_px, "Reading photos"), label_indices(training, names)),
        Photos(load_crops(held, config.size, "Reading held-out photos"), label_indices(held, names)),
    )


def _checkpoint(
    prepared: Prepared, config: TrainConfig, weights: dict[str, torch.Tensor], val_logits: np.ndarray
) -> Checkpoint:
    labels = prepared.val.labels
    classes = prepared.data.classes
    calibration = calibrate(val_logits, labels, f"{prepared.sha256}:val")
    return Checkpoint(
        config=config,
        classes=classes,
        calibration=calibration,
        metrics=(accuracy(interpret(val_logits, classes, calibration), [classes[label].name for label in labels]),),
        data_source=str(prepared.data.source.resolve()),
        data_sha256=prepared.sha256,
        photos=len(prepared.train.labels),
        versions={name: importlib.metadata.version(name) for name in ("kardus", "torch", "torchvision")},
        weights={key: value.cpu().contiguous() for key, value in weights.items()},
    )


def calibrate(logits: np.ndarray, labels: np.ndarray, fitted_on: str) -> Calibration:
    """Temperature and rejection threshold from held-out logits (n, classes) and labels (n,).

    The threshold lies THRESHOLD_MARGIN standard deviations below the lowest held-out score: a location is looked at
    thousands of times a day, so that a quantile of a few hundred photos would call known cartons unknown every day.
    """
    scores = logits.max(axis=1)
    threshold = float(scores.min() - THRESHOLD_MARGIN * scores.std())
    return Calibration(
        temperature=fit_temperature(logits.astype(np.float64), labels),
        rejection_threshold=threshold,
        false_alarm_rate=float((scores < threshold).mean()),
        n=len(labels),
        fitted_on=fitted_on,
    )


def accuracy(answers: Sequence[Classification], names: Sequence[str]) -> Metric:
    """Share of held-out photos whose class is named right, judged as the agent answers and as `evaluate` does."""
    return share("class", sum(answer.name == name for answer, name in zip(answers, names, strict=True)), len(names))


def _metrics_file(
    checkpoint: Checkpoint, history: list[Epoch], prepared: Prepared, origin: Origin | None
) -> dict[str, object]:
    return {
        "init": vars(origin) if origin else None,
        "config": checkpoint.config.model_dump(),
        "data": {"source": checkpoint.data_source, "sha256": checkpoint.data_sha256},
        "left_out": prepared.left_out,
        "photos": {"train": len(prepared.train.labels), "val": len(prepared.val.labels)},
        "val": [metric.model_dump() for metric in checkpoint.metrics],
        "calibration": checkpoint.calibration.model_dump(),
        "versions": checkpoint.versions,
        "epochs": [vars(epoch) for epoch in history],
    }
