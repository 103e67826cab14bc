"""A new product's row of the last layer, fitted in numpy against photos of the known products."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.last_layer import PULLS, Examples, FittedRow, examples, fit, fit_row, objective, sibling_row
from kardus.inference.raw_outputs import RawOutputs

WIDTH, SPREAD = 6, 2.0
"""Numbers of an embedding, and the squared distance that one logit less stands for."""
MEANS = np.random.default_rng(3).normal(0, 3, (5, WIDTH))


def _outputs(mean: np.ndarray, count: int, seed: int) -> RawOutputs:
    """Of crops whose embeddings lie about `mean`; the logits are those of a network that knows MEANS."""
    embedding = (mean + np.random.default_rng(seed).normal(0, 1, (count, WIDTH))).astype(np.float32)
    logits = (2 * embedding @ MEANS.T - np.square(MEANS).sum(axis=1) + embedding[:, :1]) / SPREAD
    return RawOutputs(logits.astype(np.float32), embedding, np.zeros((count, 1, 1), np.float32))


def _fitted(new: np.ndarray, photos: int, views: int = 1, seed: int = 0) -> FittedRow:
    known = RawOutputs.joined([_outputs(mean, 30, seed + 10 + place) for place, mean in enumerate(MEANS)])
    of = _examples(new, photos, views, seed)
    mean = of.embedding[of.is_new].mean(axis=0)
    return fit_row(of, sibling_row(known, np.repeat(np.arange(len(MEANS)), 30), mean, SPREAD))


def _examples(new: np.ndarray, photos: int, views: int = 1, seed: int = 0) -> Examples:
    known = RawOutputs.joined([_outputs(mean, 30, seed + 10 + place) for place, mean in enumerate(MEANS)])
    own = RawOutputs.joined([_outputs(new, views, seed + 100 + photo) for photo in range(photos)])
    return examples(known, np.repeat(np.arange(len(MEANS)), 30), own, photos)


def _ahead(weights: Sequence[float], bias: float, outputs: RawOutputs) -> np.ndarray:
    rival = np.log(np.exp(outputs.logits.astype(np.float64)).sum(axis=1))
    return np.asarray(outputs.embedding @ np.array(weights) + bias - rival)


@pytest.mark.parametrize(("photos", "views"), [(5, 1), (1, 5), (12, 1)])
def test_the_row_wins_its_own_crops_and_leaves_a_near_siblings_to_it(photos: int, views: int) -> None:
    new = MEANS[0] + 3.5 / np.sqrt(WIDTH)
    fitted = _fitted(new, photos, views)
    own, sibling = _outputs(new, 400, 999), _outputs(MEANS[0], 400, 998)
    assert (_ahead(fitted.row.weights, fitted.row.bias, own) > 0).mean() > 0.85
    assert (_ahead(fitted.row.weights, fitted.row.bias, sibling) < 0).mean() > 0.85
    for place in range(1, len(MEANS)):
        assert (_ahead(fitted.row.weights, fitted.row.bias, _outputs(MEANS[place], 100, place)) < 0).all()


def test_what_cannot_be_told_apart_is_counted_on_photos_that_the_row_has_not_seen() -> None:
    fitted = _fitted(MEANS[2], 10)
    assert len(fitted.missed) + fitted.taken >= 5
    assert set(fitted.missed) <= set(range(10))


def test_a_product_far_from_all_others_is_never_confused() -> None:
    fitted = _fitted(np.full(WIDTH, 25.0), 3, 2)
    assert (fitted.missed, fitted.taken) == ((), 0)


def test_views_of_one_photo_are_left_out_together() -> None:
    photos, views = 4, 3
    found = _examples(MEANS[0] + 1, photos, views)
    assert [int((found.photo == 150 + photo).sum()) for photo in range(photos)] == [views] * photos
    assert found.weight[found.is_new].sum() == pytest.approx(1)
    assert found.weight[~found.is_new].sum() == pytest.approx(len(MEANS))


@given(seed=st.integers(0, 10_000), pull=st.sampled_from(PULLS))
def test_the_fit_is_the_minimum_of_a_convex_loss(seed: int, pull: float) -> None:
    rng = np.random.default_rng(seed)
    of = _examples(MEANS[0] + rng.normal(0, 2, WIDTH), 3, 2, seed)
    start = rng.normal(0, 1, WIDTH)
    weights, bias = fit(of, start, pull)
    penalty = np.append(np.full(WIDTH, pull), 0.0)

    def loss(change: np.ndarray) -> float:
        return objective(of, of.embedding @ (start + change[:-1]) + change[-1] - of.rival, change, penalty)

    found = np.append(weights - start, bias)
    for _ in range(20):
        assert loss(found) <= loss(found + rng.normal(0, 0.05, WIDTH + 1)) + 1e-6


def test_the_same_photos_give_the_same_row() -> None:
    assert _fitted(MEANS[1] + 1, 5) == _fitted(MEANS[1] + 1, 5)
