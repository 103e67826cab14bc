"""What a model is worth when it may say that it is unsure, and whether one model is better than another."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

Floats = NDArray[np.float64]
Hits = NDArray[np.bool_]


@dataclass(frozen=True)
class RiskCoverage:
    """For each number of answers that are kept, most confident first: their share of all, and how many are wrong."""

    coverage: Floats
    """(n,), rising to 1."""
    risk: Floats
    """(n,): the share of the kept answers that is wrong."""


def risk_coverage(confidence: Floats, correct: Hits) -> RiskCoverage:
    """The risk-coverage curve of answers with confidences (n,) in 0..1 and whether each was right (n,)."""
    order = np.argsort(-confidence, kind="stable")
    kept = np.arange(1, len(order) + 1)
    return RiskCoverage(kept / len(order), np.cumsum(~correct[order]) / kept)


def threshold_for(confidence: Floats, correct: Hits, accuracy: float) -> float:
    """The lowest confidence from which on answers reach the accuracy (0 to 1); above 1 where none do."""
    order = np.argsort(-confidence, kind="stable")
    reached = np.cumsum(correct[order]) / np.arange(1, len(order) + 1) >= accuracy
    # answers of equal confidence can't be told apart: a threshold keeps all of them or none
    last_of_its_kind = np.append(np.diff(confidence[order]) != 0, True)
    usable = np.flatnonzero(reached & last_of_its_kind)
    return float(confidence[order[usable[-1]]]) if len(usable) else math.nextafter(1.0, 2.0)


@dataclass(frozen=True)
class McNemar:
    """Two models on the same photos: what one gets right and the other wrong."""

    only_first: int
    only_second: int
    p: float
    """How likely so uneven a split is if neither is better (exact, two-sided)."""


def mcnemar(first: Hits, second: Hits) -> McNemar:
    """Compare two models by whether each was right, (n,) and (n,), on the same photos (McNemar, Psychometrika 1947)."""
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    differing = only_first + only_second
    p = binomtest(only_first, differing).pvalue if differing else 1.0
    return McNemar(only_first, only_second, float(p))
