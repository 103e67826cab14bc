"""Which labels are contradicted by out-of-fold predictions: confident learning.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal of Artificial
Intelligence Research 70 (2021): per-class thresholds, the confident joint, and pruning by noise rate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Contradiction:
    """What the predictions say of each of n labels."""

    found: NDArray[np.bool_]
    """(n,): whether the label is contradicted."""
    answered: Indices
    """(n,): the likeliest class."""
    thresholds: Floats
    """(classes,): the mean likelihood of each class among the photos that are labelled so (the paper's t_j)."""


def contradicted(likelihoods: Floats, labels: Indices) -> Contradiction:
    """Find the labels that are probably wrong.

    A photo counts as class j with confidence when its likelihood of j is at least what photos labelled j have on
    average. How many photos of each label so count as each class is the confident joint; it says how many labels i
    are really j, and so many of those that are answered j are given up, the clearest first.

    Args:
        likelihoods: (n, classes), each row by a network that has not seen the photo.
        labels: (n,), every class at least once.
    """
    count, classes = likelihoods.shape
    totals = np.bincount(labels, minlength=classes)
    own = likelihoods[np.arange(count), labels]
    thresholds = np.bincount(labels, weights=own, minlength=classes) / np.maximum(totals, 1)
    answered = likelihoods.argmax(axis=1)
    joint = _joint(likelihoods, labels, thresholds, totals)
    margin = likelihoods.max(axis=1) - own
    found = np.zeros(count, bool)
    for label, other in np.argwhere(joint > 0):
        if label != other:
            suspects = np.flatnonzero((labels == label) & (answered == other))
            clearest = suspects[np.argsort(-margin[suspects], kind="stable")]
            found[clearest[: joint[label, other]]] = True
    return Contradiction(found, answered, thresholds)


def _joint(likelihoods: Floats, labels: Indices, thresholds: Floats, totals: Indices) -> Indices:
    """How many photos of each label (rows) are of each class (columns), as far as can be told: (classes, classes).

    Confident counts, scaled so that each row has as many photos as there are of its label. A label of which no photo
    is confident is believed.
    """
    classes = len(thresholds)
    confident = np.where(likelihoods >= thresholds, likelihoods, -1.0)
    sure = confident.max(axis=1) >= 0
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels[sure], confident.argmax(axis=1)[sure]), 1)
    rows = counts.sum(axis=1, keepdims=True)
    scaled: Indices = np.rint(counts / np.maximum(rows, 1) * totals[:, None]).astype(np.int64)
    return scaled
