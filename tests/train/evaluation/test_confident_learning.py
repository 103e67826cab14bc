"""Confident learning: which labels out-of-fold predictions contradict."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from train.evaluation.confident_learning import contradicted

Float64Array = NDArray[np.float64]
Indices = NDArray[np.int64]


def _answers(truth: Indices, classes: int, seed: int, right: float = 0.98) -> Float64Array:
    """Likelihoods of a network that is mostly right, more or less sure."""
    rng = np.random.default_rng(seed)
    named = np.where(rng.random(len(truth)) < right, truth, rng.integers(classes, size=len(truth)))
    sure = rng.uniform(0.5, 0.99, len(truth))
    likelihoods = np.repeat(((1 - sure) / (classes - 1))[:, None], classes, axis=1)
    likelihoods[np.arange(len(truth)), named] = sure
    return likelihoods


def test_wrong_labels_are_found_and_right_ones_stay() -> None:
    truth = np.repeat(np.arange(6), 50)
    labels = truth.copy()
    wrong = np.random.default_rng(1).choice(300, 15, replace=False)
    labels[wrong] = (labels[wrong] + 1) % 6
    found = contradicted(_answers(truth, 6, seed=2), labels).found
    assert found[wrong].mean() > 0.8
    assert np.delete(found, wrong).mean() < 0.03


def test_thresholds_are_each_label_s_mean_likelihood_of_itself() -> None:
    likelihoods = np.array([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6]])
    said = contradicted(likelihoods, np.array([0, 0, 1]))
    assert np.allclose(said.thresholds, [0.8, 0.6])
    assert said.answered.tolist() == [0, 0, 1]
    assert not said.found.any()


def test_a_class_that_is_mostly_doubted_keeps_what_is_like_it() -> None:
    """A weak class has a low threshold: a photo is no contradiction for being unsure."""
    likelihoods = np.array([[0.55, 0.45]] * 9 + [[0.1, 0.9]] * 10 + [[0.05, 0.95]])
    labels = np.array([0] * 9 + [1] * 10 + [0])
    assert contradicted(likelihoods, labels).found.tolist() == [False] * 19 + [True]


@given(st.integers(2, 8), st.integers(4, 20), st.integers(0, 10_000), st.floats(0.3, 1.0))
def test_only_labels_that_are_not_the_answer_are_contradicted(classes: int, each: int, seed: int, right: float) -> None:
    labels = np.repeat(np.arange(classes), each)
    said = contradicted(_answers(labels, classes, seed, right), labels)
    assert not said.found[said.answered == labels].any()
