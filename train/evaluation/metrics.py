"""Figures of merit, as pure functions."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import Metric

Floats = NDArray[np.float64]
_Z95 = 1.959963984540054


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share (Wilson, JASA 22, 1927); (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = hits / n, _Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def share(name: str, hits: int, n: int) -> Metric:
    """A share with its interval; the value is 0 for n = 0."""
    low, high = wilson(hits, n)
    return Metric(name=name, value=hits / n if n else 0.0, n=n, low=low, high=high)


def calibration_error(confidence: Floats, correct: NDArray[np.bool_], bins: int = 15) -> float:
    """Debiased expected calibration error, with confidences (n,) in 0..1 and whether each was right (n,).

    Root-mean-square over equally filled bins, less what sampling noise alone would give
    (Kumar, Liang, Ma: Verified Uncertainty Calibration, NeurIPS 2019, eq. 3). 0 or more.
    """
    order = np.argsort(confidence)
    total = 0.0
    for part in np.array_split(order, min(bins, max(1, len(order) // 2))):
        if len(part) < 2:  # noqa: PLR2004 - no variance from one
            continue
        rate = correct[part].mean()
        gap = (confidence[part].mean() - rate) ** 2 - rate * (1 - rate) / (len(part) - 1)
        total += len(part) / len(order) * gap
    return math.sqrt(max(0.0, total))


def auroc(known: Floats, unknown: Floats) -> float:
    """The chance that a known crop scores above an unknown one, ties counted half (Mann-Whitney U / nm)."""
    scores = np.concatenate([known, unknown])
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    n, m = len(known), len(unknown)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def fit_temperature(logits: Floats, labels: NDArray[np.int64]) -> float:
    """The temperature that makes the labels most likely (Guo et al., ICML 2017); 1.0 for no photos.

    The labels count as right with probability (n + 1) / (n + 2) only (Platt, 1999): n photos without an error don't
    prove that errors never happen.
    Golden-section search over the logarithm, since the likelihood is unimodal in it. Between 0.05 and 20.
    """
    if not len(labels):
        return 1.0
    low, high = math.log(0.05), math.log(20.0)
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if _nll(logits, labels, math.exp(left)) < _nll(logits, labels, math.exp(right)):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def _nll(logits: Floats, labels: NDArray[np.int64], temperature: float) -> float:
    scaled = logits / temperature
    top = scaled.max(axis=1, keepdims=True)
    log_probabilities = scaled - top - np.log(np.exp(scaled - top).sum(axis=1, keepdims=True))
    right = log_probabilities[np.arange(len(labels)), labels]
    others = (log_probabilities.sum(axis=1) - right) / (logits.shape[1] - 1)
    doubt = 1 / (len(labels) + 2)
    return -float(((1 - doubt) * right + doubt * others).mean())
