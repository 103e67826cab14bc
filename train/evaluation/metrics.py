"""Figures of merit, as pure functions."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from kardus.contract.manifest import Metric

Floats = NDArray[np.float64]


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a share (Wilson, JASA 22, 1927); (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    low, high = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    return float(low), float(high)


def proportion(name: str, hits: int, n: int) -> Metric:
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
    """Area under the ROC curve: the chance that a known crop scores above an unknown one, ties counted half."""
    is_known = np.repeat([True, False], [len(known), len(unknown)])
    return float(roc_auc_score(is_known, np.concatenate([known, unknown])))


def fit_temperature(logits: Floats, labels: NDArray[np.int64]) -> float:
    """The temperature that makes the labels most likely (Guo et al., ICML 2017), 0.05 to 20; 1.0 for no photos.

    The labels count as right with probability (n + 1) / (n + 2) only (Platt, 1999): n photos without an error don't
    prove that errors never happen. The search runs over the logarithm, in which the likelihood is unimodal.
    """
    if not len(labels):
        return 1.0
    bounds, precision = (math.log(0.05), math.log(20.0)), {"xatol": 1e-9}
    found = minimize_scalar(lambda t: _nll(logits / math.exp(t), labels), bounds=bounds, options=precision)
    return math.exp(found.x)


def _nll(logits: Floats, labels: NDArray[np.int64]) -> float:
    log_probabilities = log_softmax(logits, axis=1)
    right = log_probabilities[np.arange(len(labels)), labels]
    others = (log_probabilities.sum(axis=1) - right) / (logits.shape[1] - 1)
    doubt = 1 / (len(labels) + 2)
    return -float(((1 - doubt) * right + doubt * others).mean())
