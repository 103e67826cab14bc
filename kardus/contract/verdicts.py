"""The words for what was found at a location."""

from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """What the agent says of a location. A doubt is never published as a mismatch."""

    MATCH = "match"
    """What the WMS expects stands there (or nothing does, where nothing should)."""
    MISMATCH = "mismatch"
    """Another known product stands there."""
    EMPTY = "empty"
    """Stock is expected, and none is there."""
    UNEXPECTED = "unexpected"
    """Stock stands where none is expected."""
    UNKNOWN = "unknown"
    """A carton that is none of the known products, or hardly like any of them; `seen.category` tells a sure family."""
    UNCERTAIN = "uncertain"
    """The picture doesn't tell."""
    OBSTRUCTED = "obstructed"
    """Something stands in front of it, or it doesn't come to rest."""
    STALE = "stale"
    """The view can't be trusted."""
    UNMANAGED = "unmanaged"
    """The WMS has said nothing about it."""


ALERTS = frozenset({Verdict.MISMATCH, Verdict.EMPTY, Verdict.UNEXPECTED, Verdict.UNKNOWN})
"""The verdicts that somebody has to walk to the shelf for."""
UNVERIFIED = frozenset({Verdict.UNCERTAIN, Verdict.OBSTRUCTED, Verdict.STALE})
"""The verdicts that don't say what stands there."""


def is_verified(verdict: Verdict, last_verified: datetime | None, since: datetime) -> bool:
    """Whether it is known now what stands at a location, by a picture that was taken since then."""
    return verdict not in UNVERIFIED and last_verified is not None and last_verified >= since
