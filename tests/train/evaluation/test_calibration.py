"""From held-out answers to temperature and threshold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, gumbel_l, norm, t
from scipy.stats.distributions import rv_frozen

from kardus.contract.manifest import Blend, Calibration
from kardus.inference.classification import blended, softmax
from kardus.support.errors import DataError
from train.evaluation.calibration import (
    DOUBT_RATE,
    ENOUGH,
    FALSE_ALARM_RATE,
    MIN_TAIL_SCORES,
    MULTI_CROP_SHARE,
    REJECTION_SCORE,
    SURE,
    THRESHOLD_MARGIN,
    HeldOut,
    calibrate,
    farthest_of,
    keep_answers,
    read_answers,
    settled,
    threshold_at,
)


def _drawn(seed: int, count: int, decimals: int) -> np.ndarray:
    """Scores of photos, some of them hard; with few decimals, many of them are the same."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=count) - rng.integers(0, 8, size=count) * (rng.random(count) < 0.05)).round(decimals)


_SCORES = st.builds(_drawn, st.integers(0, 1000), st.integers(2, 400), st.integers(0, 6))


def _answers(count: int = 3) -> HeldOut:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    logits = rng.normal(size=(count, 2)).astype(np.float32) + 3 * np.eye(2, dtype=np.float32)[labels]
    return HeldOut(logits, -rng.chisquare(9, size=count).astype(np.float32), labels)


def _scores(answers: HeldOut, calibration: Calibration) -> np.ndarray:
    return blended(answers.logits.max(axis=1), answers.scores, calibration.blend).astype(float)


def test_the_rejection_threshold_belongs_to_the_score_and_the_photos() -> None:
    answers = _answers(90)
    calibration = calibrate(answers, "here:val")
    scores = _scores(answers, calibration)
    assert calibration.rejection_threshold == threshold_at(scores, FALSE_ALARM_RATE)
    assert calibration.false_alarm_rate == (scores < calibration.rejection_threshold).mean()
    assert (calibration.n, calibration.fitted_on) == (90, "here:val")
    assert calibration.rejection_score == REJECTION_SCORE


def _with_means(answers: HeldOut) -> HeldOut:
    """Over several parts what is known scores higher, and all of it is named right."""
    logits = np.eye(2, dtype=np.float32)[answers.labels] * np.float32(6)
    return replace(answers, multi_crop=(logits, answers.scores / np.float32(4)))


def test_a_fifth_of_the_photos_is_judged_over_several_parts() -> None:
    answers = _with_means(_answers(200))
    calibration = calibrate(answers, "")
    below = calibration.multi_crop_below
    assert below is not None
    low = _scores(answers, calibration.model_copy(update={"blend": _unlimited(calibration)})) < below
    assert low.mean() == pytest.approx(MULTI_CROP_SHARE, abs=0.01)
    judged = settled(answers, calibration)
    means = answers.multi_crop
    assert means is not None
    assert np.array_equal(judged.logits[low], means[0][low])
    assert np.array_equal(judged.logits[~low], answers.logits[~low])
    assert np.array_equal(judged.scores[low], means[1][low])


def test_temperature_and_thresholds_are_of_what_is_judged_by() -> None:
    plain, answers = _answers(200), _with_means(_answers(200))
    before, after = calibrate(plain, ""), calibrate(answers, "")
    assert before.multi_crop_below is None
    assert after.rejection_threshold > before.rejection_threshold
    assert after.doubt_threshold > before.doubt_threshold
    assert after.temperature != before.temperature
    assert settled(plain, before) is plain
    told = after.doubted
    assert told
    assert told.value <= DOUBT_RATE


def _unlimited(calibration: Calibration) -> Blend:
    assert calibration.blend
    return calibration.blend.model_copy(update={"farthest": None})


def test_the_answers_over_parts_of_several_networks_are_joined_where_all_have_them() -> None:
    one, other = _with_means(_answers(20)), _with_means(_answers(30))
    both = HeldOut.joined([one, other])
    assert both.multi_crop is not None
    assert len(both.labels) == len(both.multi_crop[0]) == len(both.multi_crop[1]) == 50
    assert HeldOut.joined([one, _answers(5)]).multi_crop is None


def test_what_is_further_than_known_photos_is_rejected_whatever_its_logits_are() -> None:
    answers = _answers(200)
    calibration = calibrate(answers, "")
    assert calibration.blend
    assert calibration.blend.farthest
    limit = -np.exp(-calibration.blend.farthest)
    right = answers.logits.argmax(axis=1) == answers.labels
    assert limit <= answers.scores[right].min()
    distances = np.array([1.1, 0.9], np.float32) * limit
    beyond, within = blended(np.full(2, 1e3, np.float32), distances, calibration.blend)
    assert beyond < calibration.rejection_threshold < within


def test_a_limit_that_known_photos_may_not_pass_is_set_by_their_spread() -> None:
    spread = HeldOut(
        np.eye(2, dtype=np.float32)[[0, 1] * 100], -np.exp(np.linspace(1, 2, 200, dtype=np.float32)), np.arange(200) % 2
    )
    right = np.ones(200, bool)
    assert farthest_of(spread, right) == pytest.approx(-1.5 - 3.09 * np.linspace(1, 2, 200).std(), abs=0.01)
    outlier = replace(spread, scores=np.append(spread.scores[1:], np.float32(-np.exp(6))))
    assert farthest_of(outlier, right) == pytest.approx(-6)
    right[-1] = False  # it is hard for another reason
    assert farthest_of(outlier, right) > -3.5


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


@pytest.mark.parametrize("draw", [norm(), t(4), gumbel_l(), beta(5, 2)], ids=["normal", "t", "gumbel", "beta"])
@pytest.mark.parametrize("count", [60, 170, 700])
def test_the_stated_share_of_other_photos_falls_below_the_threshold(draw: rv_frozen, count: int) -> None:
    drawn = draw.rvs(size=(200, count), random_state=np.random.default_rng(0))
    assert np.mean([draw.cdf(threshold_at(scores, 0.01)) for scores in drawn]) == pytest.approx(0.01, rel=0.5)


@pytest.mark.parametrize("count", [60, 170])
def test_one_photo_that_is_hard_does_not_set_the_threshold(count: int) -> None:
    scores = np.random.default_rng(0).normal(size=count)
    scores[scores.argmin()] = -7
    assert -7 < threshold_at(scores, 0.01) < -1.5


def test_with_fewer_photos_than_a_tail_needs_the_threshold_lies_below_them_all() -> None:
    scores = np.random.default_rng(0).normal(size=MIN_TAIL_SCORES - 1)
    assert threshold_at(scores, 0.01) == pytest.approx(scores.min() - THRESHOLD_MARGIN * scores.std())


@given(_SCORES, st.floats(1.01, 20))
def test_with_photos_enough_no_more_than_the_rate_falls_below_the_threshold(values: np.ndarray, more: float) -> None:
    rate = min(0.9, more * ENOUGH / (len(values) + 1))
    if rate * (len(values) + 1) >= ENOUGH:
        assert (values < threshold_at(values, rate)).mean() <= rate


@given(_SCORES, st.floats(0.001, 0.1), st.floats(0.1, 10), st.floats(-100, 100))
def test_the_threshold_has_the_scale_of_its_scores(values: np.ndarray, rate: float, scale: float, by: float) -> None:
    threshold = threshold_at(values, rate)
    assert threshold_at(scale * values + by, rate) == pytest.approx(scale * threshold + by, rel=1e-3, abs=1e-3)
    assert threshold <= np.median(values)


@given(_SCORES, st.floats(0.001, 0.1), st.floats(0.001, 0.1))
def test_a_lower_rate_has_no_higher_threshold_where_a_tail_is_fitted(
    values: np.ndarray, one: float, two: float
) -> None:
    few, (low, high) = values[: int(ENOUGH / 0.1) - 2], sorted((one, two))
    assert threshold_at(few, low) <= threshold_at(few, high) + 1e-9


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
