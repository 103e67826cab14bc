"""How well two classes can be told apart by colour and coarse layout alone.

A side of a carton without a distinguishing mark looks like any other side: no network tells it apart, and it should be
left out, as the founding study did. This is a hint, not a verdict: two products that differ in a word look alike too.
"""

import numpy as np
from numpy.typing import NDArray

from kardus.inference.preprocess import Pixels

GRID = 8


def mean_colours(crops: Pixels) -> NDArray[np.float64]:
    """A grid of mean colours for each crop (n, S, S, 3), standardised per crop: shape (n, GRID * GRID * 3)."""
    n, side = len(crops), crops.shape[1] // GRID * GRID
    grid = crops[:, :side, :side].reshape(n, GRID, side // GRID, GRID, side // GRID, 3)
    cells = grid.mean(axis=(2, 4), dtype=np.float64)
    flat = cells.reshape(n, -1)
    spread = flat.std(axis=1, keepdims=True)
    evened: NDArray[np.float64] = (flat - flat.mean(axis=1, keepdims=True)) / np.maximum(spread, 1e-6)
    return evened


def separability(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The proportion of photos of two classes, (n, d) and (m, d), that are nearer to their own class's mean.

    Leave-one-out: a photo is left out of its own class's mean. 0.5 is chance; 1.0 means that none is confused.
    Needs two photos of each.
    """
    right = [_nearer_to_own(one, other), _nearer_to_own(other, one)]
    return float(np.mean(np.concatenate(right)))


def _nearer_to_own(own: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    without = (own.sum(axis=0) - own) / (len(own) - 1)  # (n, d): the mean of all but this one
    to_own = np.linalg.norm(own - without, axis=1)
    to_other = np.linalg.norm(own - other.mean(axis=0), axis=1)
    nearer: NDArray[np.bool_] = to_own < to_other
    return nearer
