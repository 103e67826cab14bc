"""Figures pooled over folds: nothing is fitted on what it is judged on."""

import numpy as np
import pytest

from kardus.contract.manifest import ClassInfo
from train.evaluation.calibration import HeldOut
from train.evaluation.cross_validation import Fold, mean_proportion, pool, resampled

CLASSES = tuple(
    ClassInfo(name=n, sku=s, category=c) for n, s, c in (("a", "A", "x"), ("a side", "A", "x"), ("b", "B", "y"))
)


def _fold(seed: int, number: int, photos: range, scale: float = 4.0, wrong: int = 0) -> Fold:
    """Answers of the same confidence; the first `wrong` of them are of the next class."""
    indices = np.array(photos)
    labels = indices % 3
    answered = np.where(np.arange(len(indices)) < wrong, (labels + 1) % 3, labels)
    logits = scale * np.eye(3, dtype=np.float32)[answered]
    return Fold(seed, number, indices, HeldOut(logits, logits.max(axis=1), labels))


def test_every_photo_is_counted_once_however_many_seeds_there_are() -> None:
    folds = [_fold(seed, number, range(30 * number, 30 * number + 30)) for seed in (0, 1) for number in (0, 1)]
    pooled = pool(folds, CLASSES)
    assert {level: (m.value, m.n) for level, m in pooled.accuracy.items()} == {
        "class": (1, 60),
        "sku": (1, 60),
        "category": (1, 60),
    }


def test_accuracy_is_by_class_sku_and_category() -> None:
    folds = [_fold(0, 0, range(30), wrong=3), _fold(0, 1, range(30, 60))]  # a>a side, a side>b, b>a
    accuracy = pool(folds, CLASSES).accuracy
    assert [round(60 * accuracy[level].value) for level in ("class", "sku", "category")] == [57, 58, 58]


def test_the_temperature_comes_from_the_other_folds() -> None:
    """The first fold is right and unsure, the second half wrong and sure: each spoils the other's temperature."""
    folds = [_fold(0, 0, range(60), scale=1.0), _fold(0, 1, range(60, 120), scale=6.0, wrong=30)]
    pooled = pool(folds, CLASSES)
    first, second = pooled.confidence[:60], pooled.confidence[60:]
    assert float(first.mean()) < 0.7  # made unsurer by the other's errors
    assert float(second.mean()) > 0.99  # made surer by the other's success


def test_a_temperature_lowers_the_error_of_answers_that_are_too_unsure() -> None:
    folds = [_fold(0, number, range(60 * number, 60 * number + 60), scale=1.5) for number in range(3)]
    pooled = pool(folds, CLASSES)
    assert pooled.after.value < 0.05 < pooled.before.value
    assert pooled.after.low <= pooled.after.value <= pooled.after.high


def test_coverage_is_of_a_threshold_of_the_other_folds() -> None:
    sure = pool([_fold(0, n, range(60 * n, 60 * n + 60)) for n in range(3)], CLASSES)
    assert (sure.coverage.value, sure.selective.value, sure.coverage.n) == (1, 1, 180)
    unsure = pool([_fold(0, n, range(60 * n, 60 * n + 60), wrong=5) for n in range(3)], CLASSES)
    assert (unsure.coverage.value, unsure.selective.n) == (0, 0)  # equally confident, 8 % wrong: none may be kept


def test_shares_of_several_seeds_have_the_interval_of_the_photos() -> None:
    photos = np.tile(np.arange(50), 3)
    metric = mean_proportion("x", np.tile(np.arange(50) < 40, 3), photos)
    assert metric.value == pytest.approx(0.8)
    assert metric.n == 50
    assert metric.low < 0.7


def test_intervals_by_resampling_hold_the_figure_and_repeat() -> None:
    hits = np.arange(200) % 4 > 0
    one, two = (resampled(lambda chosen: float(hits[chosen].mean()), np.arange(200)) for _ in range(2))
    assert one == two
    assert one.value == pytest.approx(0.75)
    assert 0.66 < one.low < 0.72
    assert 0.78 < one.high < 0.84
