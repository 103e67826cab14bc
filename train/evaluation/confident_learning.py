"""Confident learning: finds labels that out-of-fold predictions contradict.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal of Artificial
Intelligence Research 70 (2021): per-class thresholds, the confident joint, and pruning by noise rate.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Contradiction:
    """The result for n labels."""

    found: NDArray[np.bool_]
    """(n,): whether the label is contradicted."""
    answered: Indices
    """(n,): the predicted class."""
    thresholds: Float64Array
    """(classes,): the mean predicted probability of each class over the photos labelled so (the paper's t_j)."""


def contradicted(likelihoods: Float64Array, labels: Indices) -> Contradiction:
    """Find the labels that are probably wrong.

    A photo counts confidently as class j if its predicted probability of j is at least the mean over the photos
    labelled j. The confident joint counts these by label and class, and so estimates how many of the photos labelled i
    are really of class j. So many of those predicted as j are contradicted, those with the largest margin first.

    Args:
        likelihoods: (n, classes), the out-of-fold predicted probabilities.
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


def _joint(likelihoods: Float64Array, labels: Indices, thresholds: Float64Array, totals: Indices) -> Indices:
    """The confident joint (classes, classes): estimated counts of photos by label (rows) and true class (columns).

    Confident counts, scaled so that each row sums to the number of photos with its label. A row without confident
    photos stays 0: none of its labels is contradicted.
    """
    classes = len(thresholds)
    confident = np.where(likelihoods >= thresholds, likelihoods, -1.0)
    sure = confident.max(axis=1) >= 0
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels[sure], confident.argmax(axis=1)[sure]), 1)
    rows = counts.sum(axis=1, keepdims=True)
    scaled: Indices = np.rint(counts / np.maximum(rows, 1) * totals[:, None]).astype(np.int64)
    return scaled
