"""The photos of an export: for parity and golden samples, to calibrate quantisation on, and to evaluate it on."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from kardus.inference.preprocess import Pixels
from kardus.support.errors import DataError, UsageError
from train.data.data_set import DataSet, Sample, read_data
from train.data.photos import load_crops
from train.data.splits import all_trained, photo_groups, with_split
from train.networks.checkpoint import Checkpoint

PARITY_CROPS = 256
CALIBRATION_CROPS = 256
_GONE = "{}: the data set that was trained on is not there: name it with --data"


@dataclass(frozen=True)
class Crops:
    """Crops as the agent's own preprocessing gives them, with the names of their classes."""

    pixels: Pixels
    """(N, S, S, 3) uint8 RGB."""
    names: list[str]

    def __len__(self) -> int:
        """The number of crops."""
        return len(self.names)


@dataclass(frozen=True)
class PrecisionPhotos:
    """The photos that a lower precision is calibrated on and evaluated on."""

    calibration: Crops
    judging: Crops
    origin: str
    """The hash of the data set of `judging`, and which of its photos they are."""


def examples(checkpoint: Checkpoint, data: Path | None) -> Crops:
    """Photos of `data`, then held-out ones, then training ones: one of every class, and PARITY_CROPS if there are.

    Raises:
        DataError: no data set is there, one can't be read, or no photo of a class is found.
    """
    own = Path(checkpoint.data_source)
    if data is None and not own.exists():
        raise DataError(_GONE.format(own))
    samples: list[Sample] = []
    for source in [own] if data is None else [data, *([own] if own.exists() else [])]:
        split = _split(checkpoint, read_data(source))
        samples += sorted(split.samples, key=lambda sample: sample.split == "train")
        if split.sha256() == checkpoint.data_sha256:
            break  # the set that was trained on, wherever it lies now
    known = {info.name for info in checkpoint.classes}
    ranked = [sample for sample in samples if sample.name in known]
    covering = {sample.name: sample for sample in reversed(ranked)}
    missing = known - set(covering)
    if missing:
        raise DataError(
            f"{data or own}: no photo of class '{min(missing)}': every class needs a golden sample: add one, or "
            "name the data set that was trained on"
        )
    others = (s for s in ranked if s not in covering.values())
    return _crops([*covering.values(), *others][: max(PARITY_CROPS, len(covering))], checkpoint)


def trained_and_unseen(judged: Checkpoint, data: Path | None, calibrate: Path | None) -> PrecisionPhotos:
    """Photos to calibrate on, and photos to evaluate on that `judged` was neither trained nor calibrated on.

    To calibrate on: those of `calibrate`, else training ones, CALIBRATION_CROPS at most, of every class in turn. To
    evaluate on: those of `data`, else those held out of the run, without copies and near-duplicates (bursts) of photos
    that were trained or calibrated on.

    Raises:
        DataError: a data set can't be read.
        UsageError: nothing is left to evaluate on.
    """
    own = _trained_on(judged, data)
    trained = [sample for sample in own.samples if sample.split == "train"]
    chosen = _in_turn(read_data(calibrate).samples if calibrate else trained)[:CALIBRATION_CROPS]
    judging = own if data is None else _split(judged, read_data(data))
    is_own = judging.sha256() == judged.data_sha256
    known = {info.name for info in judged.classes}
    candidates = [s for s in judging.samples if s.name in known and (s.split == "val" or not is_own)]
    unseen = _apart(candidates, [*trained, *chosen])
    if not unseen:
        raise UsageError(
            f"{judging.source}: no photo in it that was neither trained nor calibrated on, so that nothing can judge "
            "the lower precision: name other photos with --data"
        )
    origin = f"{judging.sha256()}:{'val' if is_own else 'unseen'}"
    return PrecisionPhotos(_crops(chosen, judged), _crops(unseen, judged), origin)


def _split(checkpoint: Checkpoint, data: DataSet) -> DataSet:
    """The data set split as for training, where it is the one that was trained on; else as it is marked."""
    config = checkpoint.config
    if config.folds or config.protocol == "founding":
        return all_trained(data)
    try:
        split = with_split(data, config.val_fraction, config.seed)
    except DataError:  # a class of one photo can't be split: it was not trained on
        return data
    return split if split.sha256() == checkpoint.data_sha256 else data


def _trained_on(judged: Checkpoint, data: Path | None) -> DataSet:
    """The data set that was trained on, split as it was then: where it was, or else at `data`."""
    source = Path(judged.data_source)
    if not source.exists():
        if data is None:
            raise DataError(_GONE.format(source))
        source = data
    split = _split(judged, read_data(source))
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


def _crops(samples: list[Sample], checkpoint: Checkpoint) -> Crops:
    chosen = DataSet(Path(), tuple(samples), ())
    return Crops(load_crops(chosen, checkpoint.config.size, "Reading photos"), [sample.name for sample in samples])
