"""A veil of light over the whole picture: a fogged or dirty lens, the sun shining into it, steam, a flatter gamma.

It takes contrast away and adds light everywhere, so that black is grey. Told from cells of the rack, each held against
itself: their levels lie on one line. Where they don't (a lamp is out, somebody stands there), nothing is said.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kardus.inference.preprocess import Pixels

MIN_OFFSET = 12.0
"""Levels that are added, from which it is a veil, ..."""
MAX_CONTRAST = 0.92
"""... where contrast is less than this."""
ENDS = 0.15, 0.85
"""The line goes through the darkest and the lightest of the cells' channels ..."""
APART = 25.0
"""... which have to be so many levels apart."""
OFF_LINE = 4.0
"""Levels by which half of the cells may be off the line."""
Levels = NDArray[np.uint8]
"""(cells, 3)."""


@dataclass(frozen=True)
class Veil:
    """Levels are `contrast` times what they were, and `offset` more."""

    contrast: float
    offset: float

    @property
    def lifted(self) -> Pixels:
        """What each of the 256 levels would be without it."""
        levels: Pixels = np.round((np.arange(256) - self.offset) / self.contrast).clip(0, 255).astype(np.uint8)
        return levels


def veil_over(now: Levels, before: Levels) -> Veil | None:
    """The veil that lies over a picture; None: none, or it can't be told.

    Args:
        now: the rack's cells that say what the light is, (cells, 3).
        before: the same cells in the reference.
    """
    cast = np.median((now + 1.0) / (before + 1.0), axis=0)  # a white balance has changed each channel alone
    x, y = before.ravel(), (now * (cast.mean() / cast)).ravel()
    low, high = np.quantile(x, ENDS)
    dark, light = x <= low, x >= high
    dark_x, light_x = float(np.median(x[dark])), float(np.median(x[light]))
    if light_x - dark_x < APART:
        return None
    contrast = float(np.median(y[light]) - np.median(y[dark])) / (light_x - dark_x)
    offset = float(np.median(y - contrast * x))
    is_off = float(np.median(np.abs(y - contrast * x - offset))) > OFF_LINE
    if is_off or offset < MIN_OFFSET or not 0 < contrast <= MAX_CONTRAST:
        return None
    return Veil(contrast, offset)
