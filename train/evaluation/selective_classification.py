"""Selective classification (risk-coverage curve, confidence threshold), and McNemar's test of two models."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class RiskCoverage:
    """The risk-coverage curve: for each number of predictions that are kept, most confident first."""

    coverage: Float64Array
    """(n,), rising to 1: the proportion of predictions that is kept."""
    risk: Float64Array
    """(n,): the error rate of these."""


def risk_coverage(confidence: Float64Array, correct: Hits) -> RiskCoverage:
    """The risk-coverage curve of predictions with confidences (n,) in 0..1 and correctness (n,)."""
    order = np.argsort(-confidence, kind="stable")
    kept = np.arange(1, len(order) + 1)
    return RiskCoverage(kept / len(order), np.cumsum(~correct[order]) / kept)


def threshold_for(confidence: Float64Array, correct: Hits, accuracy: float) -> float:
    """The lowest confidence threshold at which kept predictions reach the accuracy (0 to 1); above 1 if none does."""
    order = np.argsort(-confidence, kind="stable")
    reached = np.cumsum(correct[order]) / np.arange(1, len(order) + 1) >= accuracy
    # a threshold keeps all predictions of equal confidence, or none of them
    last_of_its_kind = np.append(np.diff(confidence[order]) != 0, True)
    usable = np.flatnonzero(reached & last_of_its_kind)
    return float(confidence[order[usable[-1]]]) if len(usable) else math.nextafter(1.0, 2.0)


@dataclass(frozen=True)
class McNemar:
    """McNemar's test: how many photos only one of two models classifies correctly."""

    only_first: int
    only_second: int
    p: float
    """The exact two-sided p-value: how likely so uneven a split is if neither model is better."""


def mcnemar(first: Hits, second: Hits) -> McNemar:
    """Compare two models by their correctness (n,) and (n,) on the same photos (McNemar, Psychometrika 1947)."""
    from scipy.stats import binomtest  # noqa: PLC0415 - it takes longer than torch

    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    differing = only_first + only_second
    p = binomtest(only_first, differing).pvalue if differing else 1.0
    return McNemar(only_first, only_second, float(p))
