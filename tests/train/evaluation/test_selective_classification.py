"""Selective answers and the comparison of two models, against definitions and known values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.evaluation.selective_classification import mcnemar, risk_coverage, threshold_for

ANSWERS = st.lists(st.tuples(st.integers(0, 6).map(lambda c: c / 6), st.booleans()), min_size=1, max_size=30)


def _split(answers: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([c for c, _ in answers]), np.array([hit for _, hit in answers])


def test_the_curve_of_a_model_that_knows_when_it_is_wrong() -> None:
    curve = risk_coverage(np.array([0.9, 0.8, 0.3, 0.2]), np.array([True, True, False, True]))
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk == pytest.approx([0, 0, 1 / 3, 1 / 4])


@given(ANSWERS)
def test_the_curve_ends_at_the_whole_and_its_risk(answers: list[tuple[float, bool]]) -> None:
    confidence, correct = _split(answers)
    curve = risk_coverage(confidence, correct)
    assert curve.coverage[-1] == 1
    assert curve.risk[-1] == pytest.approx(1 - correct.mean())


@given(ANSWERS, st.sampled_from([0.5, 0.8, 0.995, 1.0]))
def test_the_threshold_keeps_the_most_that_reaches_the_accuracy(
    answers: list[tuple[float, bool]], accuracy: float
) -> None:
    confidence, correct = _split(answers)
    threshold = threshold_for(confidence, correct, accuracy)
    good = [level for level in set(confidence) if correct[confidence >= level].mean() >= accuracy]
    assert threshold == min(good) if good else threshold > 1


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"), [(0, 0, 1), (5, 5, 1), (0, 6, 0.03125), (1, 9, 0.021484375)]
)
def test_mcnemar_is_the_exact_binomial_test(only_first: int, only_second: int, p: float) -> None:
    first = np.array([True] * only_first + [False] * only_second + [True] * 7 + [False] * 3)
    second = np.array([False] * only_first + [True] * only_second + [True] * 7 + [False] * 3)
    result = mcnemar(first, second)
    assert (result.only_first, result.only_second) == (only_first, only_second)
    assert result.p == pytest.approx(p)
