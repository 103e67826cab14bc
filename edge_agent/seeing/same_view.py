"""Whether a camera still sees what it saw, told by cells of two pictures that are far apart in time and light."""

import numpy as np
from numpy.typing import NDArray

from kardus.inference.preprocess import Pixels

SAME_VIEW = 0.75
"""Likeness from which it does: lamps, a sunset and a white balance leave more on the drawn racks, a camera that was
nudged by a quarter of a cell less."""
SAME_AT_NIGHT = 0.4
"""The same for a picture in infrared light, which changes surfaces: it has only to be no other rack."""
DARKEST = 12
"""A darker cell is noise."""
STRONGEST = 0.5
"""A stronger contrast counts as this one, as a logarithm of levels: the edges of somebody who stands there."""


def likeness(before: Pixels, now: Pixels, rack: NDArray[np.intp]) -> float:
    """How alike the contrasts between neighbouring cells of the rack are: their correlation, from -1 to 1.

    Light changes across a rack more than the rack itself does, and hardly from one cell to the next. The edges of the
    rack do change there, as soon as the camera stands elsewhere.

    Args:
        before: cells (h, w, 3), 0 where not shown.
        now: the same of the later picture.
        rack: the cells that show what doesn't change, counted row by row.
    """
    counts = np.zeros(before.shape[:2], bool)
    counts.flat[rack] = True
    brightness = [cells.mean(axis=2) for cells in (before, now)]
    for levels in brightness:
        counts &= levels >= DARKEST
    first, second = (_contrasts(np.log(np.maximum(levels, 1)), counts) for levels in brightness)
    return float(first @ second) / max(1e-6, float(np.linalg.norm(first) * np.linalg.norm(second)))


def _contrasts(levels: NDArray[np.float64], counts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of the pairs of cells that touch, across and down, of which both count."""
    across = np.diff(levels, axis=1)[counts[:, 1:] & counts[:, :-1]]
    down = np.diff(levels, axis=0)[counts[1:] & counts[:-1]]
    contrasts: NDArray[np.float64] = np.concatenate([across, down])
    return contrasts.clip(-STRONGEST, STRONGEST)
