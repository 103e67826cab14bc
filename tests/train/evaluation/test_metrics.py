"""Figures of merit against published values, definitions and simulations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.support.proportions import wilson
from train.evaluation.metrics import auroc, calibration_error, fit_temperature, proportion

SCORES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=25)


@given(n=st.integers(1, 2000), data=st.data())
def test_wilson_contains_the_share_and_stays_within_0_and_1(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    low, high = wilson(hits, n)
    assert 0 <= low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high <= 1
    assert high - low > 1e-4


@given(n=st.integers(1, 500), data=st.data())
def test_wilson_ends_are_the_shares_that_the_score_test_just_accepts(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    for end in wilson(hits, n):
        score = abs(hits / n - end)
        assert score == pytest.approx(1.959964 * np.sqrt(end * (1 - end) / n), rel=1e-5, abs=1e-7)


def test_wilson_has_its_known_values() -> None:
    assert wilson(171, 172) == pytest.approx((0.968, 0.999), abs=5e-4)
    assert wilson(43, 43) == pytest.approx((0.918, 1.0), abs=5e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_share_carries_n_and_interval() -> None:
    metric = proportion("class", 3, 4)
    assert (metric.name, metric.value, metric.n) == ("class", 0.75, 4)
    assert (metric.low, metric.high) == wilson(3, 4)
    assert proportion("class", 0, 0).value == 0


@given(known=SCORES, unknown=SCORES)
def test_auroc_is_the_share_of_pairs_in_order_with_ties_counted_half(known: list[float], unknown: list[float]) -> None:
    pairs = [1.0 if k > u else 0.5 if k == u else 0.0 for k in known for u in unknown]
    assert auroc(np.array(known), np.array(unknown)) == pytest.approx(sum(pairs) / len(pairs), abs=1e-12)


def test_calibration_error_of_honest_confidences_is_near_0() -> None:
    rng = np.random.default_rng(4)
    confidence = rng.uniform(0.4, 1.0, 20_000)
    correct = rng.random(20_000) < confidence
    assert calibration_error(confidence, correct) < 0.01


def test_calibration_error_of_an_overconfident_model_is_its_excess() -> None:
    rng = np.random.default_rng(4)
    confidence = rng.uniform(0.9, 1.0, 20_000)
    correct = rng.random(20_000) < confidence - 0.3
    assert calibration_error(confidence, correct) == pytest.approx(0.3, abs=0.02)


def test_calibration_error_is_debiased_for_small_samples() -> None:
    rng = np.random.default_rng(9)
    errors = []
    for _ in range(200):
        confidence = rng.uniform(0.5, 1.0, 60)
        errors.append(calibration_error(confidence, rng.random(60) < confidence) ** 2)
    assert np.mean(errors) < 0.01  # 15 bins of 4 would show about 0.05 by noise alone


@pytest.mark.parametrize("count", [0, 1])
def test_calibration_error_of_next_to_nothing_is_0(count: int) -> None:
    assert calibration_error(np.full(count, 0.9), np.zeros(count, dtype=bool)) == 0


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_fit_temperature_recovers_the_temperature_that_labels_were_drawn_at(temperature: float) -> None:
    rng = np.random.default_rng(7)
    logits = rng.normal(0, 2, (20_000, 6))
    noise = rng.gumbel(size=logits.shape)
    labels = (logits / temperature + noise).argmax(axis=1)  # the Gumbel trick draws from the softmax
    assert fit_temperature(logits, labels) == pytest.approx(temperature, rel=0.05)


def test_fit_temperature_without_photos_is_1() -> None:
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, dtype=np.int64)) == 1
