"""From a data set to photos in memory, split as configured."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import ClassInfo
from kardus.inference.preprocess import Pixels, rectify_whole
from kardus.support.errors import DataError
from train.augmentation.augmented_views import CACHE_MARGIN, CopiedViews, FreshViews, Photos, Views
from train.config import TrainConfig
from train.data.data_set import DataSet, check_trainable, read_data
from train.data.photos import label_indices, load_crops
from train.data.splits import all_trained, with_split


@dataclass(frozen=True)
class PreparedPhotos:
    """A data set that is ready to train on."""

    data: DataSet
    """With a split; its classes are those with a photo to train on."""
    sha256: str
    """Of the data set, taken before anything was trained on it."""
    left_out: dict[str, int]
    """Classes without training photos, with the number of their held-out photos, which aren't used."""
    train: Photos
    """At CACHE_MARGIN times the network's input size; at that size itself where there are fixed copies."""
    val: Photos
    """At the network's input size."""
    train_items: NDArray[np.int64] | None = None
    """Founding protocol: the copies to train on, (m, 2) of `every_copy`; the other copies of these photos are `val`."""

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The classes in the order of the model's outputs."""
        return self.data.classes

    def views(self, config: TrainConfig) -> Views:
        """The augmented views of the training photos."""
        if not config.copies:
            return FreshViews(self.train, config)
        items = every_copy(len(self.train.labels), config.copies) if self.train_items is None else self.train_items
        return CopiedViews(self.train, items, config.seed)

    def with_held_out(self) -> Photos:
        """The training and the held-out photos together; the latter are enlarged to the size of the former."""
        side = self.train.pixels.shape[1]
        pixels = np.concatenate([self.train.pixels, resized_batch(self.val.pixels, side)])
        return Photos(pixels, np.concatenate([self.train.labels, self.val.labels]))


def prepare(source: Path, config: TrainConfig) -> PreparedPhotos:
    """Read the data set, split it where it marks no split, and load its photos.

    Raises:
        DataError: it can't be read, or can't be trained on.
    """
    data = read_data(source)
    if config.protocol == "founding":
        return prepare_founding(data, config)
    return prepare_split(with_split(data, config.val_fraction, config.seed), config)


def prepare_split(data: DataSet, config: TrainConfig) -> PreparedPhotos:
    """Load the photos of a data set that has a split; nothing is held out where no photo is in `val`.

    Raises:
        DataError: it can't be trained on, or a photo can't be read.
    """
    training = data.select("train")
    trained = {sample.name for sample in training.samples}
    used = tuple(s for s in data.samples if s.split in {"train", "val"} and s.name in trained)
    check_trainable(replace(data, samples=used))  # of two photos, one may be held out
    left_out = Counter(sample.name for sample in data.samples if sample.name not in trained)
    data = replace(data, classes=tuple(info for info in data.classes if info.name in trained))
    names = [info.name for info in data.classes]
    held = replace(data, samples=tuple(s for s in data.samples if s.split == "val" and s.name in trained))
    if not held.samples and any(sample.split == "val" for sample in data.samples):
        raise DataError(f"{data.source}: no class has photos in train and in val: mark some of each class")
    cached_px = config.size if config.copies else round(config.size * CACHE_MARGIN)
    return PreparedPhotos(
        data,
        data.sha256(),
        dict(sorted(left_out.items())),
        Photos(load_crops(training, cached_px, "Reading photos"), label_indices(training, names)),
        Photos(load_crops(held, config.size, "Reading held-out photos"), label_indices(held, names)),
    )


def prepare_founding(data: DataSet, config: TrainConfig) -> PreparedPhotos:
    """As the founding study did: copies are made of every photo, and then split at random, stratified.

    This is leakage: the held-out copies are of photos that are trained on, so that metrics are optimistic.

    Raises:
        DataError: it can't be trained on, or a photo can't be read.
    """
    everything = all_trained(data)
    check_trainable(everything)
    names = [info.name for info in data.classes]
    photos = Photos(load_crops(everything, config.size, "Reading photos"), label_indices(everything, names))
    items = every_copy(len(photos.labels), config.copies)
    held = _stratified(photos.labels[items[:, 0]], config.val_fraction, config.seed)
    val = CopiedViews(photos, items[held], config.seed).in_memory()
    return PreparedPhotos(everything, everything.sha256(), {}, photos, val, items[~held])


def _stratified(labels: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.bool_]:
    """A stratified random subset, as a mask (n,): `fraction` of each class and of all, by largest remainders."""
    rng = np.random.default_rng(seed)
    wanted = fraction * np.bincount(labels)
    counts = np.floor(wanted).astype(int)
    short = round(fraction * len(labels)) - counts.sum()
    counts[np.argsort(counts - wanted, kind="stable")[:short]] += 1
    chosen = np.zeros(len(labels), dtype=bool)
    for label, count in enumerate(counts):
        chosen[rng.permutation(np.flatnonzero(labels == label))[:count]] = True
    return chosen


def resized_batch(pixels: Pixels, side_px: int) -> Pixels:
    """Square images (n, S, S, 3) resized as in the agent."""
    if pixels.shape[1] == side_px:
        return pixels
    made = np.empty((len(pixels), side_px, side_px, 3), np.uint8)
    for index, picture in enumerate(pixels):
        made[index] = rectify_whole(picture, side_px)
    return made


def every_copy(photos: int, copies: int) -> NDArray[np.int64]:
    """The indices of each photo and of each of its copies, (photos * copies, 2)."""
    return np.stack(np.meshgrid(np.arange(photos), np.arange(copies), indexing="ij"), axis=-1).reshape(-1, 2)
