"""Why a location is obstructed, and for how long it has been."""

import logging

log = logging.getLogger("kardus.deciding")
OBSTRUCTED = "something stands before it, or it doesn't come to rest"
NEVER_SETTLES_S = 600.0
"""A location that is obstructed for longer may be so for good."""
NEVER_SETTLES = (
    "something has stood before it, or it hasn't come to rest, for ten minutes: clear the view; what the camera itself "
    "draws into the picture (a clock, a logo) belongs into mask of [[cameras]]"
)


def why_obstructed(location: str, obstructed_s: dict[str, float], now_s: float) -> str:
    """What is told of a location that is obstructed; logged once when it seems to be so for good.

    Args:
        location: which.
        obstructed_s: since when each location is, in seconds of a clock that never jumps; kept up to date here.
        now_s: the same clock.
    """
    since_s = obstructed_s.setdefault(location, now_s)
    if now_s - since_s < NEVER_SETTLES_S:
        return OBSTRUCTED
    if since_s > float("-inf"):  # it is logged once, and stands in the state from now on
        log.warning("location %s: %s", location, NEVER_SETTLES)
        obstructed_s[location] = float("-inf")
    return NEVER_SETTLES
