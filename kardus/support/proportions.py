"""How sure a proportion is."""

import math
from statistics import NormalDist

_Z = NormalDist().inv_cdf(0.975)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a proportion (Wilson, JASA 22, 1927); (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    rate, spread = hits / n, _Z**2 / n
    middle, half = rate + spread / 2, math.sqrt(spread * (rate * (1 - rate) + spread / 4))
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))
