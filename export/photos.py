"""Which photos an export works on: for parity and golden samples, to calibrate 8 bits on, and to judge them by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path

from edge_agent.errors import DataError, UsageError
from edge_agent.preprocess import Pixels
from train.data.data_set import DataSet, Sample, read_data
from train.data.photos import load_crops
from train.data.protocol import all_trained, photo_groups, with_split
from train.networks.checkpoint import Checkpoint

PARITY_CROPS = 256
CALIBRATION_CROPS = 256


@dataclass(frozen=True)
class Crops:
    """Crops as the agent's own preprocessing gives them, with the names of their classes."""

    pixels: Pixels
    """(N, S, S, 3) uint8 RGB."""
    names: list[str]

    def __len__(self) -> int:
        """How many."""
        return len(self.names)


def examples(checkpoint: Checkpoint, data: Path | None) -> Crops:
    """Held-out photos first, then trained ones, until every class and PARITY_CROPS photos are there.

    Raises:
        DataError: the data set can't be read, or has no photo of a class.
    """
    labelled = _labelled(checkpoint, data or Path(checkpoint.data_source))
    known = {info.name for info in checkpoint.classes}
    ranked = sorted((s for s in labelled.samples if s.name in known), key=lambda s: s.split == "train")
    covering = {sample.name: sample for sample in reversed(ranked)}
    missing = known - set(covering)
    if missing:
        raise DataError(
            f"{labelled.source}: no photo of class '{min(missing)}': every class needs a golden sample: add one, or "
            "name the data set that was trained on"
        )
    others = (s for s in ranked if s not in covering.values())
    chosen = [*covering.values(), *others][: max(PARITY_CROPS, len(covering))]
    return _crops(labelled, chosen, checkpoint)


def trained_and_unseen(judged: Checkpoint, data: Path | None, calibrate: Path | None) -> tuple[Crops, Crops]:
    """Photos to calibrate on, and photos to judge by that `judged` was neither trained nor calibrated on.

    To calibrate on: those of `calibrate`, else trained ones, CALIBRATION_CROPS at most, of every class in turn. To
    judge by: those of `data`, else those held out of the run. None of them is the same file, or nearly the same photo
    (one burst), as one that was trained or calibrated on.

    Raises:
        DataError: a data set can't be read.
        UsageError: nothing is left to judge by.
    """
    own = _trained_on(judged, data)
    source = read_data(calibrate) if calibrate else own
    trained = [sample for sample in own.samples if sample.split == "train"]
    chosen = _in_turn(source.samples if calibrate else trained)[:CALIBRATION_CROPS]
    judging = own if data is None else read_data(data)
    known = {info.name for info in judged.classes}
    candidates = [s for s in judging.samples if s.name in known and (data is not None or s.split == "val")]
    unseen = _apart(candidates, [*trained, *chosen])
    if not unseen:
        raise UsageError(
            f"{judging.source}: no photo in it that was neither trained nor calibrated on, so that nothing can judge "
            "the lower precision: name other photos with --data"
        )
    return _crops(source, chosen, judged), _crops(judging, unseen, judged)


def _labelled(checkpoint: Checkpoint, source: Path) -> DataSet:
    if not source.exists():
        raise DataError(f"{source}: the data set that was trained on is not there: name it with --data")
    return with_split(read_data(source), checkpoint.config.val_fraction, checkpoint.config.seed)


def _trained_on(judged: Checkpoint, data: Path | None) -> DataSet:
    """The data set that was trained on, split as it was then: where it was, or else at `data`."""
    source = Path(judged.data_source)
    if not source.exists() and data is not None:
        source = data
    split = _labelled(judged, source)
    if judged.config.folds:
        split = all_trained(split)
    if split.sha256() != judged.data_sha256:
        raise DataError(
            f"{source}: not the photos that were trained on (SHA-256), which tell what hasn't been seen yet: restore "
            f"them at {judged.data_source}"
        )
    return all_trained(split) if judged.refitted else split


def _in_turn(samples: Iterable[Sample]) -> list[Sample]:
    """One of each class, then a second of each, and so on."""
    by_class: dict[str, list[Sample]] = {}
    for sample in samples:
        by_class.setdefault(sample.name, []).append(sample)
    rounds = zip_longest(*(by_class[name] for name in sorted(by_class)))
    return [sample for sample in chain.from_iterable(rounds) if sample is not None]


def _apart(candidates: list[Sample], used: list[Sample]) -> list[Sample]:
    """The candidates that are neither one of the used photos, nor a copy, nor of the same burst."""
    contents = {_content(sample) for sample in used}
    fresh = [sample for sample in candidates if _content(sample) not in contents]
    group = photo_groups([*used, *fresh])
    taken = set(group[: len(used)].tolist())
    return [sample for sample, own in zip(fresh, group[len(used) :], strict=True) if own not in taken]


def _content(sample: Sample) -> bytes:
    return hashlib.sha256(sample.path.read_bytes()).digest()


def _crops(data: DataSet, samples: list[Sample], checkpoint: Checkpoint) -> Crops:
    chosen = replace(data, samples=tuple(samples))
    return Crops(load_crops(chosen, checkpoint.config.size, "Reading photos"), [sample.name for sample in samples])
