"""Fits one more row of the last layer, in numpy: a new product's, held against photos of the known ones.

The network and the rows of the other classes stay as they are, so that those are told apart as before. What is left of
the softmax regression is a logistic one: of a crop x the new class wins log(p / (1 - p)) = w . e(x) + b - s(x), where e
is the embedding and s the logarithm of the sum of the exponentials of the others' logits. It is convex, and fitted by
Newton's method (Bishop, Pattern Recognition and Machine Learning, 2006, 4.3.3). w is drawn to the row that a linear
discriminant would have, which is what enrolment by distances comes to; how strongly, is chosen by leaving photos out.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import LastLayerRow
from kardus.inference.raw_outputs import RawOutputs

Doubles = NDArray[np.float64]
Numbers = NDArray[np.int64]
PULLS = tuple(float(10.0**power) for power in np.arange(-3.0, 3.5, 0.5))
"""How strongly the row is drawn to the discriminant's: the factor on half of the squared difference."""
FOLDS = 5
RIDGE = 0.01
FAR, HALVINGS = 20.0, 50
STEPS, SMALLEST_STEP, SMALLEST_GAIN, SMALLEST_BEND = 30, 1e-6, 1e-7, 1e-9


class FittedRow(NamedTuple):
    """A row, and what it comes to on photos that it wasn't fitted on."""

    row: LastLayerRow
    missed: tuple[int, ...]
    """Which of the new product's photos, counted from 0, would be taken for another product."""
    taken: int
    """How many of the others' photos would be taken for the new product."""


@dataclass(frozen=True)
class Examples:
    """Crops of the new product and of others."""

    embedding: Doubles
    """(n, d)."""
    rival: Doubles
    """The logarithm of the summed exponentials of the other classes' logits, (n,)."""
    is_new: NDArray[np.bool_]
    """(n,)."""
    weight: Doubles
    """How much each counts, (n,): together the new product's count as much as another class's."""
    photo: Numbers
    """Which photo each is a view of, (n,)."""

    def only(self, rows: NDArray[np.bool_]) -> "Examples":
        """Some of them."""
        return Examples(self.embedding[rows], self.rival[rows], self.is_new[rows], self.weight[rows], self.photo[rows])


def examples(known: RawOutputs, labels: Numbers, new: RawOutputs, photos: int) -> Examples:
    """Put the outputs of known photos, with their classes (n,), beside those of as many views of each new photo."""
    counts = np.bincount(labels)[labels]
    return Examples(
        np.concatenate([known.embedding, new.embedding]).astype(np.float64),
        np.concatenate([_log_sum(known.logits), _log_sum(new.logits)]),
        np.repeat([False, True], [len(labels), len(new.logits)]),
        np.concatenate([1 / counts, np.full(len(new.logits), 1 / len(new.logits))]),
        np.concatenate([np.arange(len(labels)), len(labels) + np.repeat(np.arange(photos), len(new.logits) // photos)]),
    )


def sibling_row(known: RawOutputs, labels: Numbers, mean: Doubles, distance_per_logit: float) -> Doubles:
    """The weights (d,) that a linear discriminant would have, beside the row of the class that is nearest.

    Args:
        known: outputs for photos of the known classes.
        labels: their classes, the columns of the logits, (n,).
        mean: the new product's embedding, (d,).
        distance_per_logit: see `Changes`: by so much squared distances differ where logits differ by one.
    """
    embedding = known.embedding.astype(np.float64)
    means = {int(label): embedding[labels == label].mean(axis=0) for label in np.unique(labels)}
    nearest = min(means, key=lambda label: float(np.square(means[label] - mean).sum()))
    own = _linear(embedding, known.logits[:, nearest].astype(np.float64))
    return np.asarray(own + 2 / distance_per_logit * (mean - means[nearest]))


def fit_row(of: Examples, start: Doubles) -> FittedRow:
    """The new product's row, which is drawn to the weights `start` (d,)."""
    fold = _folds(of)
    ahead = {pull: _left_out(of, start, fold, pull) for pull in PULLS}
    best = min(PULLS, key=lambda pull: _loss(of, ahead[pull]))
    weights, bias = fit(of, start, best)
    row = LastLayerRow(weights=tuple(float(f"{value:.6g}") for value in weights), bias=round(bias, 5))
    wins, new = ahead[best] > 0, of.photo[of.is_new]
    missed = np.unique(new[~wins[of.is_new]]) - new.min()
    return FittedRow(row, tuple(int(place) for place in missed), int((~of.is_new & wins).sum()))


def _linear(embedding: Doubles, logits: Doubles) -> Doubles:
    """The weights (d,) by which a class's logits follow from the embedding: least squares, drawn to 0 a little."""
    centred = embedding - embedding.mean(axis=0)
    square = centred.T @ centred
    return np.asarray(
        np.linalg.solve(square + RIDGE * np.trace(square) / len(square) * np.eye(len(square)), centred.T @ logits)
    )


def _folds(of: Examples) -> Numbers:
    """A part for each crop, (n,): views of one photo stay together, unless the new product has but one photo."""
    photo = of.photo.copy()
    if len(np.unique(photo[of.is_new])) == 1:
        photo[of.is_new] += np.arange(int(of.is_new.sum()))
    order = np.random.default_rng(0).permutation(int(photo.max()) + 1)
    new = np.unique(photo[of.is_new])
    order[new] = np.arange(len(new))  # each part has its share of the new product's photos
    return np.asarray(order[photo] % FOLDS)


def _left_out(of: Examples, start: Doubles, fold: Numbers, pull: float) -> Doubles:
    """By how much each crop's new logit is above the others', by a row that was fitted without its part: (n,)."""
    ahead = np.zeros(len(fold))
    for part in np.unique(fold):
        weights, bias = fit(of.only(fold != part), start, pull)
        ahead[fold == part] = (of.embedding @ weights + bias - of.rival)[fold == part]
    return ahead


def fit(of: Examples, start: Doubles, pull: float) -> tuple[Doubles, float]:
    """Weights (d,) and bias where `objective` is least, by Newton's method with halved steps.

    Args:
        of: crops.
        start: the weights that they are drawn to, (d,).
        pull: how strongly.
    """
    inputs = np.column_stack([of.embedding, np.ones(len(of.rival))])
    offset, penalty = inputs[:, :-1] @ start - of.rival, np.append(np.full(len(start), pull), 0.0)
    change = np.zeros(len(start) + 1)
    change[-1] = _bias(of, offset)
    loss = objective(of, offset + inputs @ change, change, penalty)
    for _ in range(STEPS):
        likely = _sigmoid(offset + inputs @ change)
        slope = inputs.T @ (of.weight * (likely - of.is_new)) + penalty * change
        bend = (inputs * (of.weight * likely * (1 - likely))[:, None]).T @ inputs
        step = np.linalg.solve(bend + np.diag(penalty + SMALLEST_BEND), slope)
        share = 1.0
        while (new := objective(of, offset + inputs @ (change - share * step), change - share * step, penalty)) > loss:
            share /= 2
            if share < SMALLEST_STEP:
                break
        if loss - new <= SMALLEST_GAIN:
            break
        change, loss = change - share * step, new
    return start + change[:-1], float(change[-1])


def _bias(of: Examples, offset: Doubles) -> float:
    """The best bias by itself, by halving: from far off, Newton's steps would be too long.

    What pulls it up and down is compared by logarithms, so that it lies amid a wide gap as well.
    """
    low, high = float(-offset.max()) - FAR, float(-offset.min()) + FAR
    weights = np.log(of.weight)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        wrong = weights - np.logaddexp(0.0, np.where(of.is_new, 1, -1) * (offset + middle))
        up, down = (np.logaddexp.reduce(wrong[rows]) for rows in (of.is_new, ~of.is_new))
        low, high = (middle, high) if up > down else (low, middle)
    return (low + high) / 2


def objective(of: Examples, ahead: Doubles, change: Doubles, penalty: Doubles) -> float:
    """What is made least: the loss, and half of the squared change (d + 1,) from the start, each times its penalty.

    Args:
        of: crops.
        ahead: by how much the new logit is above the others of each crop, (n,).
        change: of weights and bias, (d + 1,).
        penalty: (d + 1,).
    """
    return _loss(of, ahead) + 0.5 * float((penalty * np.square(change)).sum())


def _loss(of: Examples, ahead: Doubles) -> float:
    """The weighted cross-entropy of the new class against all others together."""
    return float((of.weight * np.logaddexp(0.0, np.where(of.is_new, -ahead, ahead))).sum())


def _sigmoid(values: Doubles) -> Doubles:
    return np.asarray(np.exp(-np.logaddexp(0.0, -values)))


def _log_sum(logits: NDArray[np.float32]) -> Doubles:
    return np.asarray(np.logaddexp.reduce(logits.astype(np.float64), axis=1))
