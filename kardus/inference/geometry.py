"""Plane projective geometry (homographies), in numpy alone.

Corners are arrays of shape (4, 2), x then y in pixels, in the order top left, top right, bottom right,
bottom left as they appear on the carton.
"""

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
MAX_PIXELS = 64_000_000
"""A larger picture is refused before it is decoded."""
SMALL_WIDTH = 480
"""Pictures are judged at about this width: enough to see a shift of half a pixel of theirs, and quick."""


def rectangle(left: float, top: float, right: float, bottom: float) -> Float64Array:
    """The corners (4, 2) of an upright rectangle."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float64)


def homography(source: Float64Array, target: Float64Array) -> Float64Array:
    """The 3 x 3 matrix, scaled so that its last entry is 1, that maps the source corners onto the target corners.

    Direct linear transform (Hartley and Zisserman, Multiple View Geometry, 2nd ed., 4.1).

    Raises:
        ValueError: three of the source corners lie on one line.
    """
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    try:
        solution = np.linalg.solve(np.array(rows, dtype=np.float64), target.reshape(8))
    except np.linalg.LinAlgError as error:
        raise ValueError("three of the four corners lie on one line") from error
    return np.append(solution, 1.0).reshape(3, 3)


def project(matrix: Float64Array, points: Float64Array) -> Float64Array:
    """Apply a homography to points of shape (n, 2)."""
    homogeneous = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    mapped: Float64Array = homogeneous[:, :2] / homogeneous[:, 2:]
    return mapped


def inverse(matrix: Float64Array) -> Float64Array:
    """The homography that goes back.

    Raises:
        numpy.linalg.LinAlgError: there is none.
    """
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def is_convex(corners: Float64Array) -> bool:
    """Whether the corners go round clockwise (y points down) and enclose a convex area."""
    edges = np.roll(corners, -1, axis=0) - corners
    following = np.roll(edges, -1, axis=0)
    turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
    return bool((turns > 0).all())


def reduction(width: int) -> int:
    """By which whole number a picture of this width is made smaller to be judged."""
    return max(1, round(width / SMALL_WIDTH))
