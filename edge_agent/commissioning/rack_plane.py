"""From the labels in a picture to the plane of their rack: rows, columns and perspective.

In the rack's own units one column is 1 wide and one row 1 high, y pointing down; a homography brings them into the
picture. It is found from the labels alone: who stands right of and below whom gives each a whole column and row, and
these give the homography, by least squares; then columns and rows are read off it again, until nothing changes.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kardus.codes.labels import RackLabel
from kardus.inference.geometry import Float64Array, inverse, project

FITS = 0.2
"""How far, in columns or rows, a label may be from where the grid has it."""
MAX_PLACES = 3
"""A grid with more places than so many for each label is none."""
FEW_CELLS = 12
_SLANT = 0.6
"""A neighbour to the right lies no more than so far up or down, for each pixel to the right; and one below likewise."""
_ROUNDS = 10
_WORST_CONDITION = 1e12
_NEAR = 1e-9


@dataclass(frozen=True)
class RackPlane:
    """Where the labels are on their rack."""

    view: Float64Array
    """(3, 3): from the rack's units into the picture, in pixels."""
    cells: NDArray[np.int64] | None
    """(labels, 2): each label's column and row; None: they stand in no regular grid."""


def rack_plane(labels: Sequence[RackLabel]) -> RackPlane:
    """The plane of at least one label's rack."""
    upright = turned_upright(labels)
    centres = np.array([label.centre for label in labels]) @ upright.T
    cells = _neighbourhood(centres)
    view = _fitted(cells, centres)
    for _ in range(_ROUNDS):
        nearest = None if view is None else np.round(project(inverse(view), centres)).astype(np.int64)
        if nearest is None or np.array_equal(nearest, cells):
            break
        cells, view = nearest, _fitted(nearest, centres)
    turn = np.eye(3)
    turn[:2, :2] = upright.T
    if view is not None and _is_grid(cells, view, centres):
        return RackPlane(turn @ view, cells)
    pitch = np.diag([*_pitches(centres, labels), 1.0])
    pitch[:2, 2] = centres.min(axis=0)
    return RackPlane(turn @ pitch, None)


def turned_upright(labels: Sequence[RackLabel]) -> Float64Array:
    """The rotation (2, 2) after which the labels stand upright, by the direction in which they are read."""
    along = np.sum([_unit(label.corners[1] - label.corners[0]) for label in labels], axis=0)
    x, y = _unit(along)
    return np.array([[x, y], [-y, x]])


def _unit(vector: Float64Array) -> Float64Array:
    unit: Float64Array = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return unit


def _neighbourhood(centres: Float64Array) -> NDArray[np.int64]:
    """Columns and rows (n, 2), counted from neighbour to neighbour; a gap counts as the columns that it is wide."""
    steps = _steps(centres)
    cells = np.zeros((len(centres), 2), dtype=np.int64)
    seen: set[int] = set()
    for first in range(len(centres)):
        waiting = deque([] if first in seen else [first])
        seen.add(first)
        while waiting:
            here = waiting.popleft()
            for there, step in steps[here]:
                if there not in seen:
                    seen.add(there)
                    cells[there] = cells[here] + step
                    waiting.append(there)
    return cells


def _steps(centres: Float64Array) -> list[list[tuple[int, NDArray[np.int64]]]]:
    """For each label its neighbours, and how many columns and rows away each is."""
    steps: list[list[tuple[int, NDArray[np.int64]]]] = [[] for _ in centres]
    for axis in (0, 1):
        pairs = _next_along(centres, axis)
        lengths = np.array([centres[there, axis] - centres[here, axis] for here, there in pairs])
        pitch = float(np.quantile(lengths, 0.25)) if len(lengths) else 1.0
        for (here, there), length in zip(pairs, lengths, strict=True):
            step = np.zeros(2, dtype=np.int64)
            step[axis] = max(1, round(float(length) / pitch))
            steps[here].append((there, step))
            steps[there].append((here, -step))
    return steps


def _next_along(centres: Float64Array, axis: int) -> list[tuple[int, int]]:
    """Pairs of a label and the nearest one to its right (axis 0), or below it (axis 1)."""
    pairs = []
    for here, centre in enumerate(centres):
        ahead, aside = centres[:, axis] - centre[axis], np.abs(centres[:, 1 - axis] - centre[1 - axis])
        candidates = np.flatnonzero((ahead > 0) & (aside < _SLANT * ahead))
        if len(candidates):
            distance = ahead[candidates] + 2 * aside[candidates]
            pairs.append((here, int(candidates[distance.argmin()])))
    return pairs


def _fitted(cells: NDArray[np.int64], centres: Float64Array) -> Float64Array | None:
    """The homography from cells (n, 2) to centres (n, 2) by least squares; None: they don't span a plane.

    Normalised direct linear transform (Hartley and Zisserman, Multiple View Geometry, 2nd ed., 4.4).
    """
    if min(len(np.unique(cells[:, 0])), len(np.unique(cells[:, 1]))) < 2 or len(cells) < 4:  # noqa: PLR2004 - a plane
        return None
    source, target = _normaliser(cells.astype(np.float64)), _normaliser(centres)
    rows = []
    for (x, y), (u, v) in zip(project(source, cells.astype(np.float64)), project(target, centres), strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, -u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, -v])
    values = np.linalg.svd(np.array(rows))
    if values.S[-2] < 1e-6:  # noqa: PLR2004 - several planes fit: nearly all labels on one line
        return None
    view: Float64Array = inverse(target) @ values.Vh[-1].reshape(3, 3) @ source
    return view if _is_seen_from_before(view, cells, centres) else None


def _is_seen_from_before(view: Float64Array, cells: NDArray[np.int64], centres: Float64Array) -> bool:
    """Whether a homography can be turned back, and no label would be behind the camera."""
    if np.linalg.cond(view) > _WORST_CONDITION:
        return False
    back = inverse(view)
    depths = (matrix[2, :2] @ points.T + matrix[2, 2] for matrix, points in ((view, cells), (back, centres)))
    return all(bool((depth > _NEAR).all() or (depth < -_NEAR).all()) for depth in depths)


def _normaliser(points: Float64Array) -> Float64Array:
    """Moves points around 0, at a mean distance of the square root of 2."""
    mean = points.mean(axis=0)
    scale = np.sqrt(2) / max(float(np.linalg.norm(points - mean, axis=1).mean()), 1e-9)
    return np.array([[scale, 0, -scale * mean[0]], [0, scale, -scale * mean[1]], [0, 0, 1]])


def _is_grid(cells: NDArray[np.int64], view: Float64Array, centres: Float64Array) -> bool:
    """Whether every label is where the grid has it, none where another is, and most places have one."""
    columns, rows = np.ptp(cells, axis=0) + 1
    if columns * rows > max(MAX_PLACES * len(cells), FEW_CELLS):
        return False
    off = np.abs(project(inverse(view), centres) - cells)
    return bool((off < FITS).all()) and len(np.unique(cells, axis=0)) == len(cells)


def _pitches(centres: Float64Array, labels: Sequence[RackLabel]) -> tuple[float, float]:
    """How wide a column and how high a row is, in pixels; what no neighbour tells is as the other, or by the label."""
    lengths = []
    for axis in (0, 1):
        between = [centres[there, axis] - centres[here, axis] for here, there in _next_along(centres, axis)]
        lengths.append(float(np.median(between)) if between else 0.0)
    own = 1.5 * float(np.median([np.linalg.norm(label.corners[1] - label.corners[0]) for label in labels]))
    width = lengths[0] or lengths[1] or own
    return width, lengths[1] or width
