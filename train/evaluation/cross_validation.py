"""Pools out-of-fold predictions; a fold's temperature and threshold are fitted on the other folds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import Calibration, ClassInfo, Metric
from kardus.inference.classification import interpret
from train.evaluation.calibration import HeldOut, calibrate, settled
from train.evaluation.metrics import calibration_error, fit_temperature, proportion
from train.evaluation.selective_classification import threshold_for

SELECTIVE_ACCURACY = 0.995
RESAMPLED = 200
Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fold:
    """The out-of-fold outputs for the photos of one fold, by the network that was trained on the others."""

    seed: int
    number: int
    photos: NDArray[np.int64]
    """(n,): the photos' indices in the data set."""
    answers: HeldOut


class Interval(NamedTuple):
    """A statistic with its 95 % bootstrap interval over photos."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CrossValidation:
    """The metrics over all folds of all seeds."""

    accuracy: dict[str, Metric]
    """Accuracy by `class`, `sku` and `category`: the mean over the seeds, with n photos."""
    before: Interval
    """Calibration error without temperature scaling."""
    after: Interval
    """Calibration error with a temperature fitted on the other folds."""
    coverage: Metric
    """Proportion of predictions kept by the confidence threshold at which the other folds reach SELECTIVE_ACCURACY."""
    selective: Metric
    """Selective accuracy: the proportion of these that is correct."""
    confidence: Float64Array
    """(m,): of every prediction, with the temperature of the other folds."""
    correct: NDArray[np.bool_]
    """(m,): whether the product was predicted correctly."""
    truth: NDArray[np.int64]
    answered: NDArray[np.int64]
    """(m,): class indices, for the confusion matrix."""


class _Judged(NamedTuple):
    right: dict[str, NDArray[np.bool_]]
    confidence: Float64Array
    answered: NDArray[np.int64]


def pool(folds: Sequence[Fold], classes: Sequence[ClassInfo]) -> CrossValidation:
    """Evaluate every prediction with temperature and threshold fitted on the other folds of its seed."""
    warm, cold, kept = [], [], []
    folds = [replace(fold, answers=_as_judged(fold, folds)) for fold in folds]
    for fold in folds:
        others = [other for other in folds if other.seed == fold.seed and other.number != fold.number]
        temperature = _temperature(others)
        warm.append(_judge(fold.answers, classes, temperature))
        cold.append(_judge(fold.answers, classes, 1.0))
        elsewhere = [_judge(other.answers, classes, temperature) for other in others]
        threshold = threshold_for(
            np.concatenate([j.confidence for j in elsewhere]),
            np.concatenate([j.right["sku"] for j in elsewhere]),
            SELECTIVE_ACCURACY,
        )
        kept.append(warm[-1].confidence >= threshold)
    photos = np.concatenate([fold.photos for fold in folds])
    right = {level: np.concatenate([j.right[level] for j in warm]) for level in ("class", "sku", "category")}
    confidence, sure = np.concatenate([j.confidence for j in warm]), np.concatenate(kept)
    plain = np.concatenate([j.confidence for j in cold])
    return CrossValidation(
        {level: mean_proportion(level, hits, photos) for level, hits in right.items()},
        _error(plain, right["sku"], photos),
        _error(confidence, right["sku"], photos),
        mean_proportion("coverage", sure, photos),
        mean_proportion("selective", right["sku"][sure], photos[sure]),
        confidence,
        right["sku"],
        np.concatenate([fold.answers.labels for fold in folds]),
        np.concatenate([j.answered for j in warm]),
    )


def _as_judged(fold: Fold, folds: Sequence[Fold]) -> HeldOut:
    """A fold's outputs as the agent would judge by them, by the calibration on the other folds of its seed."""
    others = [other.answers for other in folds if other.seed == fold.seed and other.number != fold.number]
    if not others or fold.answers.multi_crop is None:
        return fold.answers
    return settled(fold.answers, calibrate(HeldOut.joined(others), ""))


def mean_proportion(name: str, hits: NDArray[np.bool_], photos: NDArray[np.int64]) -> Metric:
    """The proportion of hits (m,), with an interval for n distinct photos: all seeds share the same ones."""
    count = len(np.unique(photos))
    return proportion(name, round(float(hits.mean()) * count), count) if count else proportion(name, 0, 0)


def _temperature(folds: Sequence[Fold]) -> float:
    logits = np.concatenate([fold.answers.logits for fold in folds])
    return fit_temperature(logits.astype(np.float64), np.concatenate([fold.answers.labels for fold in folds]))


def _judge(answers: HeldOut, classes: Sequence[ClassInfo], temperature: float) -> _Judged:
    seen = interpret(answers.logits, classes, Calibration(temperature=temperature), answers.scores)
    truth = [classes[label] for label in answers.labels]
    position = {info.name: index for index, info in enumerate(classes)}
    return _Judged(
        {
            "class": np.array([s.name == t.name for s, t in zip(seen, truth, strict=True)], dtype=bool),
            "sku": np.array([s.sku == t.sku for s, t in zip(seen, truth, strict=True)], dtype=bool),
            "category": np.array([s.category == t.category for s, t in zip(seen, truth, strict=True)], dtype=bool),
        },
        np.array([s.confidence for s in seen]),
        np.array([position[s.name] for s in seen]),
    )


def _error(confidence: Float64Array, correct: NDArray[np.bool_], photos: NDArray[np.int64]) -> Interval:
    return resampled(lambda chosen: calibration_error(confidence[chosen], correct[chosen]), photos)


def resampled(figure: Callable[[NDArray[np.int64]], float], photos: NDArray[np.int64]) -> Interval:
    """A statistic of predictions, given by their indices, with its bootstrap interval over their photos (m,).

    The percentile bootstrap (Efron, 1979) with RESAMPLED draws and a fixed seed; a photo is resampled with all its
    predictions.
    """
    from scipy.stats import bootstrap  # noqa: PLC0415 - it takes longer than torch

    present, which = np.unique(photos, return_inverse=True)
    members = [np.flatnonzero(which == index) for index in range(len(present))]

    def of_photos(drawn: NDArray[np.int64]) -> float:
        return figure(np.concatenate([members[index] for index in drawn]))

    photo_numbers = (np.arange(len(present)),)
    settings = {"method": "percentile", "vectorized": False, "n_resamples": RESAMPLED, "rng": np.random.default_rng(0)}
    low, high = bootstrap(photo_numbers, of_photos, **settings).confidence_interval
    return Interval(figure(np.arange(len(photos))), float(low), float(high))
