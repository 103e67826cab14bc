"""Checks a data set for problems before it is trained on."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kardus.inference.preprocess import Pixels, read_converted, read_photo, rectify_whole
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
from train.data.proposals import left_out_note
from train.data.separability import mean_colours, separability

ADVISED_PHOTOS = 10
SMALL_PX = 128
IMBALANCE = 5.0
CONFUSABLE_BELOW = 0.7
"""Two classes are reported if a smaller proportion of their photos is told apart by colour and layout."""
_CROP_PX = 64
THUMBNAIL_PX = 140
_CONFIRM = "confirm them in the table, or use fit --trust-proposed"


class Severity(StrEnum):
    """The severity of a finding."""

    ERROR = "error"
    """It must be fixed: training fails, or its metrics will be wrong."""
    WARNING = "warning"
    """It should be looked at."""
    NOTE = "note"
    """For information."""


@dataclass(frozen=True)
class DataProblem:
    """One finding, with the photos that show it."""

    weight: Severity
    what: str
    remedy: str
    photos: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class DataReport:
    """A data set with all findings."""

    data: DataSet
    findings: tuple[DataProblem, ...]
    readable: int

    @property
    def sound(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.weight != Severity.ERROR for finding in self.findings)


@dataclass(frozen=True)
class _PhotoFeatures:
    """The features of a readable photo that the checks need."""

    sample: Sample
    width: int
    height: int
    sha256: str
    code: int
    brightness: NDArray[np.float64]
    crop: Pixels
    changes: tuple[str, ...]
    doubts: tuple[str, ...]


def check_data(data: DataSet, on_photo: Callable[[], None] = lambda: None) -> DataReport:
    """Read every photo and run every check that needs no training.

    `on_photo` is called after each photo.
    """
    photos: list[_PhotoFeatures] = []
    unreadable: list[DataProblem] = []
    for sample in data.samples:
        try:
            photos.append(_photo_features(sample))
        except DataError as error:
            unreadable.append(DataProblem(Severity.ERROR, str(error), "replace it, or take it out", (sample,)))
        on_photo()
    findings = [
        *unreadable,
        *(DataProblem(Severity.WARNING, note, "mend it if they are needed") for note in data.notes),
        *(DataProblem(Severity.NOTE, note, _CONFIRM) for note in left_out_note(data.source, data.proposals)),
        *_conversions(photos),
        *_few(photos),
        *_imbalance(photos),
        *_sizes(photos),
        *_copies(photos),
        *_alike(photos),
    ]
    order = list(Severity)
    return DataReport(data, tuple(sorted(findings, key=lambda f: order.index(f.weight))), len(photos))


def _photo_features(sample: Sample) -> _PhotoFeatures:
    read = read_converted(sample.path)
    pixels = np.asarray(read.picture)
    height, width = pixels.shape[:2]
    return _PhotoFeatures(
        sample,
        width,
        height,
        hashlib.sha256(pixels.tobytes()).hexdigest(),
        perceptual_hash(pixels),
        brightness(pixels),
        rectify_whole(pixels, _CROP_PX),
        read.changes,
        read.doubts,
    )


def _conversions(photos: Sequence[_PhotoFeatures]) -> Iterator[DataProblem]:
    """What reading brings from another form, and what it can't: a line for each kind."""
    changed: defaultdict[tuple[Severity, str], list[Sample]] = defaultdict(list)
    for photo in photos:
        for change in photo.changes:
            changed[Severity.NOTE, change].append(photo.sample)
        for doubt in photo.doubts:
            changed[Severity.WARNING, doubt].append(photo.sample)
    remedies = {
        Severity.NOTE: "nothing: it is done wherever they are read",
        Severity.WARNING: "save them again as sRGB",
    }
    for (weight, what), samples in changed.items():
        yield DataProblem(weight, f"{len(samples)} photos: {what}", remedies[weight], tuple(samples))


def _few(photos: Sequence[_PhotoFeatures]) -> Iterator[DataProblem]:
    counts = Counter(p.sample.name for p in photos)
    for name, count in sorted(counts.items()):
        if count < 2:  # noqa: PLR2004
            yield DataProblem(Severity.ERROR, f"class '{name}' has one photo", "add photos, or remove the class")
        elif count < ADVISED_PHOTOS:
            what = f"class '{name}' has {count} photos"
            yield DataProblem(Severity.WARNING, what, f"add photos: {ADVISED_PHOTOS} to 30 are advised")
    if len(counts) == 1:
        yield DataProblem(Severity.ERROR, "there is only one class", "a classifier needs two or more")


def _imbalance(photos: Sequence[_PhotoFeatures]) -> Iterator[DataProblem]:
    ranked = Counter(p.sample.name for p in photos).most_common()
    if ranked and ranked[0][1] > IMBALANCE * ranked[-1][1]:
        (most, many), (least, few) = ranked[0], ranked[-1]
        what = f"class '{most}' has {many} photos and class '{least}' has {few}"
        yield DataProblem(Severity.WARNING, what, "even them out, or expect the smaller one to be missed")


def _sizes(photos: Sequence[_PhotoFeatures]) -> Iterator[DataProblem]:
    small = [p for p in photos if min(p.width, p.height) < SMALL_PX]
    if small:
        what = f"{len(small)} photos are smaller than {SMALL_PX} px, such as {small[0].width} x {small[0].height}"
        yield DataProblem(Severity.WARNING, what, "take them again from nearer", tuple(p.sample for p in small))
    shapes = [p.width / p.height for p in photos]
    usual = float(np.median(shapes)) if shapes else 1.0
    odd = [p for p, shape in zip(photos, shapes, strict=True) if not 0.5 < shape / usual < 2]  # noqa: PLR2004
    if odd:
        what = f"{len(odd)} photos have another shape than most, such as {odd[0].width} x {odd[0].height}"
        yield DataProblem(
            Severity.WARNING, what, "cut them as the location's corners will", tuple(p.sample for p in odd)
        )


def _copies(photos: Sequence[_PhotoFeatures]) -> Iterator[DataProblem]:
    pairs = [
        (i, j)
        for i, j in nearly_same([p.code for p in photos])
        if brightness_correlation(photos[i].brightness, photos[j].brightness) >= NEARLY_SAME_CORRELATION
    ]
    for one, other in ((photos[i], photos[j]) for i, j in pairs):
        same = "the same photo" if one.sha256 == other.sha256 else "nearly the same photo"
        shown = (one.sample, other.sample)
        if one.sample.name != other.sample.name:
            what = f"{same} under two labels: '{one.sample.name}' and '{other.sample.name}'"
            weight = Severity.ERROR if one.sha256 == other.sha256 else Severity.WARNING
            yield DataProblem(weight, what, "keep it under the right one", shown)
        elif one.sample.split != other.sample.split:
            what = f"{same} in two splits of class '{one.sample.name}'"
            yield DataProblem(
                Severity.ERROR, what, "keep both in one split: this leakage makes metrics optimistic", shown
            )
    yield from _bursts(photos, [(i, j) for i, j in pairs if photos[i].sample.name == photos[j].sample.name])


def _bursts(photos: Sequence[_PhotoFeatures], pairs: Sequence[tuple[int, int]]) -> Iterator[DataProblem]:
    members: defaultdict[int, list[Sample]] = defaultdict(list)
    for photo, group in zip(photos, groups(len(photos), pairs), strict=True):
        members[int(group)].append(photo.sample)
    bursts = [samples for samples in members.values() if len(samples) > 1]
    if bursts:
        what = f"{sum(map(len, bursts))} photos belong to {len(bursts)} bursts of nearly the same photo"
        largest = max(bursts, key=len)
        yield DataProblem(Severity.NOTE, what, "they count as one photo each", tuple(largest))


def _alike(photos: Sequence[_PhotoFeatures]) -> Iterator[DataProblem]:
    rows: defaultdict[str, list[_PhotoFeatures]] = defaultdict(list)
    for photo in photos:
        rows[photo.sample.name].append(photo)
    looks = {name: mean_colours(np.stack([p.crop for p in own])) for name, own in rows.items() if len(own) > 1}
    for one, other in combinations(sorted(looks), 2):
        proportion = separability(looks[one], looks[other])
        if proportion < CONFUSABLE_BELOW:
            what = f"classes '{one}' and '{other}' look alike: {100 * proportion:.0f} % told apart by colour and layout"
            remedy = "look whether a mark tells them apart; leave a side without one out"
            yield DataProblem(Severity.NOTE, what, remedy, (rows[one][0].sample, rows[other][0].sample))


def thumbnail(path: Path) -> Pixels | None:
    """A small picture of a photo, for a report; None where it can't be read."""
    try:
        return rectify_whole(read_photo(path), THUMBNAIL_PX)
    except DataError:
        return None
