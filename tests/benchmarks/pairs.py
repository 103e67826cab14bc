"""Times things side by side: in turn, within one run, so that a busy moment hits all, and ratios hold anywhere."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Work = Callable[[], object]
"""Does something once. A float that it gives is its seconds, where only a part of it counts; else all of it does."""


@dataclass(frozen=True)
class Estimate:
    """A median, with an interval of order statistics that holds it with 95 % where there are six values or more."""

    value: float
    low: float
    high: float
    n: int


def in_turn(works: Mapping[str, Work], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Seconds of each work in each round; every round begins with another one.

    Args:
        works: by their names.
        rounds: how often each is timed.
        warm_up: rounds before, that don't count.
    """
    names = list(works)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-warm_up, rounds):
        for place in range(len(names)):
            name = names[(number + place) % len(names)]
            seconds = _timed(works[name])
            if number >= 0:
                times[name].append(seconds)
    return times


def median(values: Sequence[float]) -> Estimate:
    """The median; below six values the interval is their range, and holds less than 95 %.

    Raises:
        ValueError: there is no value.
    """
    ordered = sorted(values)
    n = len(ordered)
    if not n:
        raise ValueError("no value to take the median of")
    edge = _edge(n)
    return Estimate(float(np.median(ordered)), ordered[edge], ordered[n - 1 - edge], n)


def ratio(times: Sequence[float], base: Sequence[float]) -> Estimate:
    """The median of the rounds' ratios, each to the other's time in the same round."""
    return median([one / other for one, other in zip(times, base, strict=True)])


def percentile(values: Sequence[float], proportion: float) -> float:
    """The value that this share (0 to 1) of the values doesn't exceed: the nearest rank, nothing in between."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(proportion * len(ordered)) - 1)]


def _edge(n: int) -> int:
    """How many of n ordered values may be left out at each end: P(Binomial(n, 1/2) < edge) stays at most 2.5 %."""
    below, edge = 0.0, 0
    while edge < n // 2:
        below += math.comb(n, edge) / 2**n
        if below > 0.025:
            break
        edge += 1
    return max(0, edge - 1) if edge else 0


def _timed(work: Work) -> float:
    began = time.perf_counter()
    own = work()
    return time.perf_counter() - began if not isinstance(own, float) else own
