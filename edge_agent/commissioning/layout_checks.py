"""What can be wrong with outlines that somebody has drawn, beyond what the configuration's own check finds."""

from collections.abc import Sequence

import numpy as np

from edge_agent.commissioning.layout import Named, side_px
from kardus.contract.layouts import Layout
from kardus.inference.geometry import Float64Array, is_convex

MIN_SIDE_PX = 16
"""A location whose shorter side has fewer pixels shows nothing of a carton."""
MAX_OVERLAP = 0.5
"""Of the smaller outline: two that share more are one place that was laid out twice."""


def outlines_of(layout: Layout) -> list[Named]:
    """The corners (4, 2) of every facing, with the location's code, in pixels of the layout's picture."""
    return [(one.id, np.array(facing, dtype=np.float64)) for one in layout.locations for facing in one.facings]


def wrong_outline(layout: Layout) -> str:
    """What is wrong with the first outline that can't be used, in words; empty: nothing."""
    outlines, (width, height) = outlines_of(layout), layout.picture_size
    places = [*outlines, *((f"masked area {n}", np.array(area)) for n, area in enumerate(layout.mask, start=1))]
    for name, corners in places:
        if (corners > [width, height]).any():
            return f"{name}: a corner lies outside the {width} x {height} picture: move it"
    for code, corners in outlines:
        if not is_convex(corners):
            return f"{code}: its corners don't go round (top left, top right, bottom right, bottom left): move them"
        if side_px(corners) < MIN_SIDE_PX:
            return f"{code}: {side_px(corners)} pixels are too few to see a carton: at least {MIN_SIDE_PX}"
    return _overlap(outlines)


def _overlap(outlines: Sequence[Named]) -> str:
    boxes = np.array([[*corners.min(axis=0), *corners.max(axis=0)] for _, corners in outlines])
    for number, (code, corners) in enumerate(outlines):
        later = boxes[number + 1 :]
        meets = np.all((later[:, :2] < boxes[number, 2:]) & (later[:, 2:] > boxes[number, :2]), axis=1)
        for step in np.flatnonzero(meets).tolist():
            other_code, other_corners = outlines[number + 1 + step]
            if shared(corners, other_corners) > MAX_OVERLAP:
                return f"{code} and {other_code} lie over each other: move one of them, or remove it"
    return ""


def shared(one: Float64Array, other: Float64Array) -> float:
    """How much two convex outlines (4, 2) have in common, as a share (0 to 1) of the smaller one.

    Sutherland and Hodgman, Reentrant polygon clipping, CACM 17 (1974).
    """
    left = list(one)
    for begin, end in zip(other, np.roll(other, -1, axis=0), strict=True):
        left = _clipped(left, begin, end)
    smaller = min(_area(one), _area(other))
    return _area(np.array(left)) / smaller if left and smaller > 0 else 0.0


def _clipped(points: list[Float64Array], begin: Float64Array, end: Float64Array) -> list[Float64Array]:
    """What of a polygon lies to the right of an edge, as y points down: inside of what goes round clockwise."""
    edge, kept = end - begin, list[Float64Array]()
    sides = [float(edge[0] * (y - begin[1]) - edge[1] * (x - begin[0])) for x, y in points]
    for number, (point, side) in enumerate(zip(points, sides, strict=True)):
        before, side_before = points[number - 1], sides[number - 1]
        if (side >= 0) != (side_before >= 0):
            kept.append(before + (point - before) * (side_before / (side_before - side)))
        if side >= 0:
            kept.append(point)
    return kept


def _area(corners: Float64Array) -> float:
    x, y = corners.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
