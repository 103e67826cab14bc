"""Grouped, stratified splits into training and validation photos, and into folds, before any augmentation.

Near-duplicates (one carton, one place, one moment: see train.data.duplicates) share a group, and a group is never
divided: that would be leakage. Stratified: every class is held out in proportion.
"""

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
    return groups(len(samples), [*pairs, *_told_pairs(samples)])


def _told_pairs(samples: Sequence[Sample]) -> list[tuple[int, int]]:
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

    A class of nothing but near-duplicates can't be split without leakage; some of them are held out all the same,
    since a class without validation photos would be worse.
    """
    rng = np.random.default_rng(seed)
    classes = np.array(names)
    held = np.zeros(len(names), dtype=bool)
    for name in dict.fromkeys(names):
        own = np.flatnonzero(classes == name)
        target = min(max(1, round(fraction * len(own))), len(own) - 1)
        for number in rng.permutation(np.unique(group[own])):
            members = np.flatnonzero(group == number)
            missing = target - held[own].sum()
            if 0 < np.isin(members, own).sum() <= missing:
                held[members] = True
        if not held[own].any():
            smallest = min((own[group[own] == number] for number in np.unique(group[own])), key=len)
            held[smallest if len(smallest) < len(own) else rng.choice(own, target, replace=False)] = True
        if held[own].all():
            held[own[0]] = False
    return held


def assign_folds(names: Sequence[str], group: Groups, folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each photo, (n,), from 0: groups stay together, stratified by class.

    Raises:
        DataError: a class has fewer groups than there are folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - it takes longer than torch

    classes = np.array(names)
    for name in sorted(set(names)):
        apart = len(np.unique(group[classes == name]))
        if apart < folds:
            raise DataError(
                f"class '{name}' has {apart} photos that aren't nearly the same, fewer than --folds {folds}: "
                f"add photos of it, or use --folds {apart}"
            )
    fold = np.zeros(len(names), dtype=np.int64)
    drawn = np.random.RandomState(np.random.MT19937(seed))  # takes any seed; a plain number may have 32 bits only
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=drawn)
    for number, (_, own) in enumerate(splitter.split(classes, classes, group)):
        fold[own] = number
    return fold
