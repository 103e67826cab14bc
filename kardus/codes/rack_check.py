"""Whether a camera looks at the rack that it was laid out for, by the labels that it sees."""

from collections.abc import Sequence

import numpy as np

from kardus.codes.labels import RackLabel, code_pattern
from kardus.inference.geometry import Float64Array

MAX_LABEL_DISTANCE_WIDTHS = 0.75
"""A label belongs to the outline whose lower or upper edge is no further than so many of the outline's widths."""
MIN_CONTRADICTIONS = 2
"""So many labels must contradict, unless the camera has fewer locations."""


def other_rack(labels: Sequence[RackLabel], outlines: Sequence[tuple[str, Float64Array]]) -> str:
    """Why a camera looks at another rack, in words; empty where nothing says so.

    It does where more labels contradict than agree: labels of locations that aren't its own (codes of the same form),
    and its own that stick where another of its locations was. One label that was exchanged doesn't.

    Args:
        labels: what was read.
        outlines: the camera's locations with their corners (4, 2), in pixels; a location may have several.
    """
    forms = {code_pattern(location) for location, _ in outlines}
    own = {location for location, _ in outlines}
    foreign = sorted(label.code for label in labels if label.code not in own and code_pattern(label.code) in forms)
    known = [label for label in labels if label.code in own]
    displaced = sorted(label.code for label in known if not _is_at_its_place(label, outlines))
    against = len(foreign) + len(displaced)
    if against < min(MIN_CONTRADICTIONS, len(own)) or against <= len(known) - len(displaced):
        return ""
    if foreign:
        return f"its labels say {_some(foreign)}, which none of its locations is: turn it back, or lay it out anew"
    return f"the labels {_some(displaced)} are where other locations were: turn it back, or lay it out anew"


def _is_at_its_place(label: RackLabel, outlines: Sequence[tuple[str, Float64Array]]) -> bool:
    return any(_is_at(label, corners) for location, corners in outlines if location == label.code)


def _is_at(label: RackLabel, corners: Float64Array) -> bool:
    edges = (corners[:2].mean(axis=0), corners[2:].mean(axis=0))
    width = float(np.linalg.norm(corners[1] - corners[0]))
    return min(float(np.linalg.norm(label.centre - edge)) for edge in edges) <= MAX_LABEL_DISTANCE_WIDTHS * width


def _some(codes: Sequence[str]) -> str:
    more = f" and {len(codes) - 3} more" if len(codes) > 3 else ""  # noqa: PLR2004 - as many as one reads
    return ", ".join(codes[:3]) + more
