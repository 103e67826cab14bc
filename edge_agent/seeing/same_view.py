"""Whether a camera still sees what it saw, told by cells of two pictures that are far apart in time and light."""

import numpy as np
from numpy.typing import NDArray

CLIPPED = 255
"""All of a cell of which any pixel is clipped: the mean of what can't grow and what can is of no colour there was."""
SAME_VIEW = 0.7
"""Correlation from which it does: lamps, a sunset, a white balance and infrared light leave 0.73 or more on the drawn
racks, a camera that was nudged by a quarter of a cell 0.7 or less."""


def is_same_view(before: NDArray[np.uint8], now: NDArray[np.uint8], rack: NDArray[np.intp]) -> bool:
    """Whether the contrasts between neighbouring cells of the rack are alike.

    Light changes across a rack more than the rack itself does, and hardly from one cell to the next. The edges of the
    rack do change there, as soon as the camera stands elsewhere.

    Args:
        before: cells (h, w, 3), 0 where not shown, CLIPPED where clipped.
        now: the same of the later picture.
        rack: the cells that show what doesn't change, counted row by row.
    """
    counts = np.zeros(before.shape[:2], bool)
    counts.flat[rack] = True
    brightness = [cells.mean(axis=2) for cells in (before, now)]
    for levels in brightness:
        counts &= (levels > 0) & (levels < CLIPPED)
    first, second = (_contrasts(np.log(np.maximum(levels, 1)), counts) for levels in brightness)
    return float(first @ second) >= SAME_VIEW * max(1e-6, float(np.linalg.norm(first) * np.linalg.norm(second)))


def _contrasts(levels: NDArray[np.float64], counts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of the pairs of cells that touch, across and down, of which both count."""
    across = np.diff(levels, axis=1)[counts[:, 1:] & counts[:, :-1]]
    down = np.diff(levels, axis=0)[counts[1:] & counts[:-1]]
    return np.concatenate([across, down])
