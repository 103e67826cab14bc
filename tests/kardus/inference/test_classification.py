"""The scores that tell the known from the unknown."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kardus.contract.manifest import Blend, BlendPart, Calibration, ClassInfo, RejectionScore
from kardus.inference.classification import BEYOND, class_means, interpret, rejection_scores

FLOATS = st.floats(-20, 20, width=32)
BLEND = Blend(max_logit=BlendPart(center=2, spread=4), log_distance=BlendPart(center=-1, spread=0.5))


def test_prototypes_are_the_means_and_nothing_for_a_class_without_crops() -> None:
    embedding = np.array([[1, 0], [3, 2], [5, 5]], np.float32)
    means = class_means(embedding, np.array([0, 0, 2]), 3)
    np.testing.assert_array_equal(means, [[2, 1], [0, 0], [5, 5]])


@given(logits=arrays(np.float32, (4, 3), elements=FLOATS))
def test_energy_is_the_logarithm_of_the_sum_and_no_less_than_the_largest_logit(logits: np.ndarray) -> None:
    nothing = np.zeros((4, 2), np.float32)
    energy, top = (rejection_scores(k, logits, nothing, nothing[:3]) for k in ("energy", "max_logit"))
    np.testing.assert_allclose(energy, np.log(np.exp(logits.astype(float)).sum(axis=1)), rtol=1e-4, atol=1e-4)
    assert bool((energy >= top - 1e-5).all())
    np.testing.assert_array_equal(top, logits.max(axis=1))


def test_distance_and_cosine_are_to_the_nearest_prototype() -> None:
    prototypes = np.array([[3, 0], [0, 4]], np.float32)
    embedding = np.array([[3, 0], [6, 0], [0, 1], [-3, 0]], np.float32)
    logits = np.zeros((4, 2), np.float32)
    np.testing.assert_allclose(rejection_scores("distance", logits, embedding, prototypes), [0, -9, -9, -25])
    np.testing.assert_allclose(rejection_scores("prototype", logits, embedding, prototypes), [1, 1, 1, 0], atol=1e-6)


def test_a_cosine_is_of_the_direction_alone() -> None:
    embedding, prototypes = np.array([[0.3, 0.4]], np.float32), np.array([[0.1, 0.0], [0.0, 20.0]], np.float32)
    score = rejection_scores("prototype", np.zeros((1, 2), np.float32), embedding, prototypes)
    np.testing.assert_allclose(score, [0.8], rtol=1e-6)


@pytest.mark.parametrize("kind", get_args(RejectionScore))
def test_every_score_is_one_number_a_crop(kind: RejectionScore) -> None:
    rng = np.random.default_rng(0)
    logits, embedding = rng.normal(size=(7, 3)).astype(np.float32), rng.normal(size=(7, 5)).astype(np.float32)
    scores = rejection_scores(kind, logits, embedding, embedding[:3], BLEND)
    assert scores.shape == (7,)
    assert bool(np.isfinite(scores).all())


def test_a_blend_adds_both_measures_on_the_scale_of_known_photos() -> None:
    logits, embedding = np.array([[2, 0], [6, 1]], np.float32), np.array([[0, 0], [2, 0]], np.float32)
    prototypes = np.array([[np.sqrt(np.e), 0], [9, 9]], np.float32)
    scores = rejection_scores("blend", logits, embedding, prototypes, BLEND)
    near = -np.log((2 - np.sqrt(np.e)) ** 2)
    np.testing.assert_allclose(scores, [0, 1 + (near + 1) / 0.5], rtol=1e-4, atol=1e-5)


@given(logits=arrays(np.float32, (4, 3), elements=FLOATS), embedding=arrays(np.float32, (4, 2), elements=FLOATS))
def test_a_blend_falls_with_the_distance_and_rises_with_the_largest_logit(
    logits: np.ndarray, embedding: np.ndarray
) -> None:
    prototypes = np.zeros((3, 2), np.float32)
    score = rejection_scores("blend", logits, embedding, prototypes, BLEND)
    assert bool(np.isfinite(score).all())
    assert bool((rejection_scores("blend", logits, embedding + np.sign(embedding), prototypes, BLEND) <= score).all())
    assert bool((rejection_scores("blend", logits + 1, embedding, prototypes, BLEND) > score).all())


@given(logits=arrays(np.float32, (4, 3), elements=FLOATS), embedding=arrays(np.float32, (4, 2), elements=FLOATS))
def test_what_is_beyond_the_farthest_is_below_every_threshold_and_the_rest_as_before(
    logits: np.ndarray, embedding: np.ndarray
) -> None:
    prototypes = np.zeros((3, 2), np.float32)
    limited = BLEND.model_copy(update={"farthest": -np.log(9.0)})
    before, after = (rejection_scores("blend", logits, embedding, prototypes, blend) for blend in (BLEND, limited))
    squared = np.square(embedding).sum(axis=1)
    clear = np.abs(squared - 9) > 1e-3
    np.testing.assert_array_equal(after[clear], np.where(squared > 9, np.float32(BEYOND), before)[clear])


def test_a_blend_of_before_there_was_a_farthest_has_none() -> None:
    told = {"max_logit": {"center": 2, "spread": 4}, "log_distance": {"center": -1, "spread": 0.5}}
    assert Blend.model_validate(told) == BLEND
    far = np.full((1, 2), 1e6, np.float32)
    assert rejection_scores("blend", np.ones((1, 2), np.float32), far, np.zeros((2, 2), np.float32), BLEND) > BEYOND


def test_a_blend_without_its_scale_is_refused() -> None:
    nothing = np.zeros((2, 2), np.float32)
    with pytest.raises(ValueError, match="needs its scale"):
        rejection_scores("blend", nothing, nothing, nothing)


def test_a_class_may_have_a_doubt_threshold_of_its_own() -> None:
    classes = tuple(ClassInfo(name=name, category="x", sku=name) for name in ("trained", "enrolled"))
    told = Calibration(rejection_threshold=-9.0, doubt_threshold=-1.0, doubt_thresholds={"enrolled": -9.0})
    logits = np.array([[3, 0], [0, 3], [0, 3]], np.float32)
    seen = interpret(logits, classes, told, np.array([-2, -2, -10], np.float32))
    assert [(one.known, one.doubted) for one in seen] == [(True, True), (True, False), (False, True)]
