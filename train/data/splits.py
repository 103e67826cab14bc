"""Grouped, stratified splits into training and validation photos, and into folds, before any augmentation.

Near-duplicates (one carton, one place, one moment: see train.data.duplicates) share a group, and a group is never
divided: that would be leakage. Stratified: every class is held out in proportion.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kardus.inference.preprocess import read_photo
from kardus.support.errors import DataError
from train.data.data_set import DataSet, Sample
from train.data.duplicates import (
    NEARLY_SAME_CORRELATION,
    brightness,
    brightness_correlation,
    groups,
    nearly_same,
    perceptual_hash,
)

Groups = NDArray[np.int64]


def with_split(data: DataSet, val_fraction: float, seed: int) -> DataSet:
    """The data set with a train and a val split: its own where it marks a val split, else grouped and stratified.

    With a marked val split, unmarked photos are in train. Reads the photos where it has to split.

    Raises:
        DataError: a class has a single photo, so that nothing of it can be held out; a photo can't be read.
    """
    pool = [sample for sample in data.samples if sample.split in ("", "train")]
    if any(sample.split == "val" for sample in data.samples) or not pool:
        return replace(data, samples=tuple(replace(s, split=s.split or "train") for s in data.samples))
    names = [sample.name for sample in pool]
    single = sorted(name for name, count in Counter(names).items() if count < 2)  # noqa: PLR2004
    if single:
        raise DataError(
            f"{data.source}: class '{single[0]}' has one photo: add photos of it (10 or more are advised), or remove it"
        )
    held = hold_out(names, photo_groups(pool), val_fraction, seed)
    marks = dict(zip((s.path for s in pool), ("val" if h else "train" for h in held), strict=True))
    return replace(data, samples=tuple(replace(s, split=marks.get(s.path, s.split)) for s in data.samples))


def all_trained(data: DataSet) -> DataSet:
    """The data set with every photo in the training split, whatever it marks."""
    return replace(data, samples=tuple(replace(sample, split="train") for sample in data.samples))


def photo_groups(samples: Sequence[Sample]) -> Groups:
    """The group of each photo, (n,): near-duplicates share one, and so do those whose data set says so.

    Raises:
        DataError: a photo can't be read.
    """
    with ThreadPoolExecutor(max_workers=4) as pool:
        fingerprints = list(pool.map(_fingerprint, samples))
    codes, shades = [found[0] for found in fingerprints], [found[1] for found in fingerprints]
    pairs = [
        (i, j) for i, j in nearly_same(codes) if brightness_correlation(shades[i], shades[j]) >= NEARLY_SAME_CORRELATION
    ]
    return groups(len(samples), [*pairs, *_grouped_pairs(samples)])


def _grouped_pairs(samples: Sequence[Sample]) -> list[tuple[int, int]]:
    """Each photo with the first one of its group."""
    first: dict[str, int] = {}
    return [(first.setdefault(s.group, index), index) for index, s in enumerate(samples) if s.group]


def _fingerprint(sample: Sample) -> tuple[int, NDArray[np.float64]]:
    try:
        pixels = read_photo(sample.path)
    except DataError as error:
        raise DataError(f"{error}: replace it, or take it out of the data set") from error
    return perceptual_hash(pixels), brightness(pixels)


def hold_out(names: Sequence[str], group: Groups, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which photos are held out, (n,): about `fraction` of each class, at least one and never all of them.

    A group is divided only where a class could be held out in no other way: it has nothing but near-duplicates, or each
    of its groups has the last photos of a class that are left to train on. That is leakage, but a class without
    validation photos would be worse.
    """
    rng = np.random.default_rng(seed)
    chosen = _HeldOut(np.unique(np.array(names), return_inverse=True)[1], fraction)
    for number in dict.fromkeys(chosen.classes):
        own = np.flatnonzero(chosen.classes == number)
        own_groups = [np.flatnonzero(group == drawn) for drawn in rng.permutation(np.unique(group[own]))]
        for photos in own_groups:
            if chosen.wants(photos):
                chosen.add(photos)
        if not chosen.held[own].any():
            possible = [photos for photos in own_groups if chosen.can_spare(photos)]
            smallest = min(possible, key=lambda photos: (len(photos), photos[0]), default=None)
            chosen.add(rng.choice(own, chosen.targets[number], replace=False) if smallest is None else smallest)
    return chosen.held


class _HeldOut:
    """The photos that are held out so far, and how many of each class."""

    def __init__(self, classes: NDArray[np.int64], fraction: float) -> None:
        """`classes` (n,): the class of each photo, from 0."""
        self.classes = classes
        self.held = np.zeros(len(classes), dtype=bool)
        self.totals = np.bincount(classes)
        self.targets = np.clip(np.round(fraction * self.totals), 1, self.totals - 1).astype(np.int64)
        self._counts = np.zeros_like(self.totals)

    def wants(self, photos: NDArray[np.int64]) -> bool:
        """Whether all of them can be held out without too many of any class."""
        return not self.held[photos].any() and self._within(self.targets, photos)

    def can_spare(self, photos: NDArray[np.int64]) -> bool:
        """Whether every class would still have a photo to train on without them."""
        return self._within(self.totals - 1, photos)

    def add(self, photos: NDArray[np.int64]) -> None:
        """Hold them out."""
        self.held[photos] = True
        self._counts = np.bincount(self.classes[self.held], minlength=len(self.totals))

    def _within(self, most: NDArray[np.int64], photos: NDArray[np.int64]) -> bool:
        added = np.bincount(self.classes[photos], minlength=len(self.totals))
        return bool((self._counts + added <= most)[added > 0].all())


def assign_folds(names: Sequence[str], group: Groups, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each photo, (n,), from 0: groups stay together, stratified by class; no class is in one fold alone.

    Raises:
        DataError: a class has fewer groups than there are folds, or shares them so that it would be in one fold alone.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - it takes longer than torch

    _require_groups(names, group, folds)
    classes = np.array(names)
    fold = np.zeros(len(names), dtype=np.int64)
    drawn = np.random.RandomState(np.random.MT19937(seed))  # takes any seed; a plain number may have 32 bits only
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=drawn)
    for number, (_, own) in enumerate(splitter.split(classes, classes, group)):
        fold[own] = number
    for name in dict.fromkeys(names):
        if not _is_spread(fold, classes == name):
            _spread(fold, classes, group, name, folds)
    return fold


def _spread(fold: NDArray[np.int64], classes: NDArray[np.str_], group: Groups, name: str, folds: int) -> None:
    """Move a group of a class that is in one fold alone to another one, in place; the smallest that can be spared.

    Raises:
        DataError: each has all photos of another class that aren't in the fold it would go to.
    """
    own = np.unique(group[classes == name])
    for number, target in itertools.product(sorted(own, key=lambda g: np.count_nonzero(group == g)), range(folds)):
        moved = np.where(group == number, target, fold)
        if all(_is_spread(moved, classes == other) for other in {name, *classes[group == number]}):
            fold[:] = moved
            return
    raise DataError(
        f"class '{name}' has its photos in groups with other classes, so that --folds {folds} would leave one of them "
        "without a photo to train on: add photos of it, or use --folds 0"
    )


def _is_spread(fold: NDArray[np.int64], own: NDArray[np.bool_]) -> bool:
    return len(np.unique(fold[own])) > 1


def _require_groups(names: Sequence[str], group: Groups, folds: int) -> None:
    """Require as many groups of each class as there are folds.

    Raises:
        DataError: a class has fewer.
    """
    classes = np.array(names)
    for name in sorted(set(names)):
        apart = len(np.unique(group[classes == name]))
        if apart < folds:
            raise DataError(
                f"class '{name}' has {apart} photos that aren't nearly the same, fewer than --folds {folds}: "
                f"add photos of it, or use --folds {apart if apart > 1 else 0}"
            )
