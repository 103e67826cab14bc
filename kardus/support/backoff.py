"""How long to wait before another attempt: exponential back-off with full jitter."""

import random

MAX_BACKOFF_S = 8.0
_drawn = random.Random()
"""Of its own: a program that seeds the common one would let its clients come back at the same moment."""


def backoff_s(failures: int, *, first_s: float = 0.25, cap_s: float = MAX_BACKOFF_S) -> float:
    """A random pause, so that clients which failed together don't all come back at the same moment.

    Args:
        failures: attempts in a row that failed.
        first_s: the longest pause after no failure; it doubles with each one, in seconds.
        cap_s: and grows no longer than this, in seconds.
    """
    return _drawn.uniform(0, min(cap_s, first_s * 2 ** min(failures, 20)))
