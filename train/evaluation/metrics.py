"""Evaluation metrics, as pure functions.

scipy and scikit-learn are imported where they are needed: they take longer than torch, and most commands need neither.
"""

import math

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import Metric
from kardus.support.proportions import wilson

Float64Array = NDArray[np.float64]


def proportion(name: str, hits: int, n: int) -> Metric:
    """A proportion with its 95 % Wilson interval; the value is 0 for n = 0."""
    low, high = wilson(hits, n)
    return Metric(name=name, value=hits / n if n else 0.0, n=n, low=low, high=high)


def calibration_error(confidence: Float64Array, correct: NDArray[np.bool_], bins: int = 15) -> float:
    """Debiased expected calibration error of predictions with confidences (n,) in 0..1 and correctness (n,).

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


def auroc(known: Float64Array, unknown: Float64Array) -> float:
    """Area under the ROC curve: the probability that a known crop scores above an unknown one, ties counted half."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415 - see above

    is_known = np.repeat([True, False], [len(known), len(unknown)])
    return float(roc_auc_score(is_known, np.concatenate([known, unknown])))


def fit_temperature(logits: Float64Array, labels: NDArray[np.int64]) -> float:
    """Temperature scaling by maximum likelihood (Guo et al., ICML 2017): 0.05 to 20; 1.0 for no photos.

    The labels' target probability is (n + 1) / (n + 2) instead of 1 (Platt, 1999): n photos without an error don't
    prove that errors never happen. The search runs over the logarithm, in which the likelihood is unimodal.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - see above

    if not len(labels):
        return 1.0
    bounds, precision = (math.log(0.05), math.log(20.0)), {"xatol": 1e-9}
    found = minimize_scalar(lambda t: _nll(logits / math.exp(t), labels), bounds=bounds, options=precision)
    return math.exp(found.x)


def _nll(logits: Float64Array, labels: NDArray[np.int64]) -> float:
    from scipy.special import log_softmax  # noqa: PLC0415 - see above

    log_probabilities = log_softmax(logits, axis=1)
    right = log_probabilities[np.arange(len(labels)), labels]
    others = (log_probabilities.sum(axis=1) - right) / (logits.shape[1] - 1)
    doubt = 1 / (len(labels) + 2)
    return -float(((1 - doubt) * right + doubt * others).mean())
