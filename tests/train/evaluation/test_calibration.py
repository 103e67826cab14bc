"""From held-out answers to temperature and threshold."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.contract.manifest import Calibration
from kardus.inference.classification import blended, softmax
from kardus.support.errors import DataError
from train.evaluation.calibration import (
    DOUBT_RATE,
    FALSE_ALARM_RATE,
    REJECTION_SCORE,
    SURE,
    THRESHOLD_MARGIN,
    HeldOut,
    calibrate,
    keep_answers,
    read_answers,
    threshold_at,
)


def _answers(count: int = 3) -> HeldOut:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    logits = rng.normal(size=(count, 2)).astype(np.float32) + 3 * np.eye(2, dtype=np.float32)[labels]
    return HeldOut(logits, -rng.chisquare(9, size=count).astype(np.float32), labels)


def _scores(answers: HeldOut, calibration: Calibration) -> np.ndarray:
    return blended(answers.logits.max(axis=1), answers.scores, calibration.blend).astype(float)


def test_with_few_photos_the_threshold_lies_below_every_held_out_score() -> None:
    answers = _answers(90)
    calibration = calibrate(answers, "here:val")
    scores = _scores(answers, calibration)
    assert calibration.rejection_threshold == pytest.approx(scores.min() - THRESHOLD_MARGIN * scores.std())
    assert calibration.false_alarm_rate == 0
    assert (calibration.n, calibration.fitted_on) == (90, "here:val")
    assert calibration.rejection_score == REJECTION_SCORE


def test_with_many_photos_the_threshold_keeps_the_stated_rate() -> None:
    calibration = calibrate(_answers(9000), "here")
    assert 0 < calibration.false_alarm_rate <= FALSE_ALARM_RATE


def test_few_of_those_that_are_named_right_are_doubted() -> None:
    answers = _answers(900)
    right = answers.logits.argmax(axis=1) == answers.labels
    calibration = calibrate(answers, "here")
    sure = right & (softmax(answers.logits / calibration.temperature).max(axis=1) >= SURE)
    told = calibration.doubted
    assert told
    assert told.n == sure.sum() < right.sum()
    assert told.value == (_scores(answers, calibration)[sure] < calibration.doubt_threshold).mean()
    assert 0 < told.value <= DOUBT_RATE
    worse = answers.scores - 100 * ~right  # how unlike those are that are named wrong doesn't matter
    again = calibrate(HeldOut(answers.logits, worse.astype(np.float32), answers.labels), "")
    assert again.doubt_threshold == calibration.doubt_threshold


def test_what_is_unknown_is_doubted_too() -> None:
    for count in (3, 90, 900):
        calibration = calibrate(_answers(count), "here")
        assert calibration.doubt_threshold >= calibration.rejection_threshold


def test_where_nothing_is_named_right_what_is_not_unknown_is_not_doubted() -> None:
    answers = _answers(90)
    calibration = calibrate(HeldOut(-answers.logits, answers.scores, answers.logits.argmax(axis=1)), "here")
    assert calibration.doubt_threshold == calibration.rejection_threshold


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=400), st.floats(0.001, 0.3))
def test_no_more_than_the_rate_falls_below_the_threshold(scores: list[float], rate: float) -> None:
    values = np.array(scores)
    assert (values < threshold_at(values, rate)).mean() <= rate


def test_without_held_out_photos_nothing_is_rejected() -> None:
    nothing = HeldOut(np.zeros((0, 2), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    calibration = calibrate(nothing, "")
    assert calibration == Calibration(rejection_score="distance")


def test_answers_come_back_as_they_were_kept(tmp_path: Path) -> None:
    answers = _answers()
    keep_answers(tmp_path / "held_out.npz", answers)
    again = read_answers(tmp_path / "held_out.npz")
    for one, other in zip(vars(answers).values(), vars(again).values(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 and no more"])
def test_answers_that_cannot_be_read_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "held_out.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"held_out\.npz: can't be read: remove its folder"):
        read_answers(path)
