"""Finds the marks of a reference picture again in a later one: small patches with edges in two directions.

Patches are compared by normalised cross-correlation (Lewis, Fast Normalized Cross-Correlation, 1995), which doesn't
mind other light. Pictures are grey and reduced: arrays (height, width) float32; positions are (x, y) in their pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edge_agent.geometry import FloatArray

Grey = NDArray[np.float32]
PATCH = 24
"""Width and height of a patch, in pixels of the reduced picture."""
MOST = 32
"""Marks enough to fit a motion to, however many of them a person covers."""
LIKE = 0.7
"""Correlation from which a patch is taken to be the mark."""
_BLURRED_EDGE = 1e-3


@dataclass(frozen=True)
class Marks:
    """Patches of the reference picture."""

    corners: NDArray[np.int64]
    """Top left corner of each, (n, 2)."""
    patches: Grey
    """(n, PATCH, PATCH), each of mean 0 and length 1."""

    @property
    def centres(self) -> FloatArray:
        """(n, 2)."""
        return self.corners.astype(np.float64) + PATCH / 2


@dataclass(frozen=True)
class Found:
    """Where the marks are in a later picture."""

    shifts: FloatArray
    """(n, 2), to a fraction of a pixel."""
    likeness: Grey
    """The correlation there, (n,), at most 1."""

    @property
    def sure(self) -> NDArray[np.bool_]:
        """Which of them were found, (n,)."""
        return self.likeness >= LIKE


def choose_marks(grey: Grey, avoid: NDArray[np.bool_]) -> Marks:
    """The patches whose place is told best by their content, spread over the picture.

    Strength is the smaller eigenvalue of the structure tensor (Shi and Tomasi, Good Features to Track, CVPR 1994).

    Args:
        grey: the reference picture.
        avoid: (height, width), where the picture is expected to change; patches there are taken only where there are
            too few elsewhere.
    """
    strength, where = _patch_strengths(np.gradient(grey, axis=1), np.gradient(grey, axis=0))
    changing = np.array([avoid[y : y + PATCH, x : x + PATCH].mean() for x, y in where])
    # A mark that may change is worth little, but more than none.
    worth = np.where(changing > 0.1, strength * 1e-4, strength)  # noqa: PLR2004 - a tenth of it may change
    chosen = where[np.argsort(-worth)[:MOST]][worth[np.argsort(-worth)[:MOST]] > _BLURRED_EDGE]
    patches = np.array([_unit(grey[y : y + PATCH, x : x + PATCH]) for x, y in chosen], np.float32)
    return Marks(chosen.reshape(-1, 2), patches.reshape(-1, PATCH, PATCH))


def find_marks(marks: Marks, grey: Grey, near: FloatArray, reach: int) -> Found:
    """Look for each mark within `reach` pixels of where it should be.

    Args:
        marks: those of the reference picture.
        grey: the later picture, of the same size.
        near: shifts (n, 2) of the marks that are expected.
        reach: pixels, 1 or more.
    """
    start = np.round(near).astype(int)
    size = PATCH + 2 * reach
    padded = np.pad(grey, reach + PATCH, mode="edge")
    places = np.clip(marks.corners + start, -PATCH, [grey.shape[1], grey.shape[0]]) + PATCH
    windows = np.array([padded[y : y + size, x : x + size] for x, y in places]).reshape(-1, size, size)
    correlation = _correlate(windows, marks.patches)
    flat = correlation.reshape(len(near), (2 * reach + 1) ** 2)
    ys, xs = np.unravel_index(flat.argmax(axis=1), correlation.shape[1:])
    peaks = [_peak(one, int(y), int(x)) for one, y, x in zip(correlation, ys, xs, strict=True)]
    return Found(start + np.array(peaks).reshape(-1, 2) - reach, flat.max(axis=1, initial=-1.0))


def _patch_strengths(across: Grey, down: Grey) -> tuple[Grey, NDArray[np.int64]]:
    """The strength of the patches of a grid, and their top left corners."""
    height, width = across.shape
    rows, columns = height // PATCH, width // PATCH
    blocks = [
        product[: rows * PATCH, : columns * PATCH].reshape(rows, PATCH, columns, PATCH).mean(axis=(1, 3))
        for product in (across * across, down * down, across * down)
    ]
    xx, yy, xy = blocks
    smaller = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    ys, xs = np.mgrid[0:rows, 0:columns] * PATCH
    return smaller.ravel(), np.stack([xs.ravel(), ys.ravel()], axis=1)


def _correlate(windows: Grey, patches: Grey) -> Grey:
    """Normalised cross-correlation of each patch at every place of its window, from -1 to 1: (n, places, places)."""
    dot = np.einsum("nijkl,nkl->nij", sliding_window_view(windows, (PATCH, PATCH), (1, 2)), patches)
    wide = windows.astype(np.float64)
    energy = _box(wide**2) - _box(wide) ** 2 / PATCH**2
    result: Grey = (dot / np.sqrt(np.maximum(energy, 1.0))).astype(np.float32)
    return result


def _box(values: FloatArray) -> FloatArray:
    """The sum of the values at each place of a patch, by summed-area tables (n, height + 1, width + 1)."""
    table = np.pad(values.cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))
    sums: FloatArray = (
        table[:, PATCH:, PATCH:] - table[:, :-PATCH, PATCH:] - table[:, PATCH:, :-PATCH] + table[:, :-PATCH, :-PATCH]
    )
    return sums


def _peak(correlation: Grey, y: int, x: int) -> tuple[float, float]:
    """The place (x, y) of the peak to a fraction of a pixel, by a parabola through its neighbours."""
    return x + _vertex(correlation[y, :], x), y + _vertex(correlation[:, x], y)


def _vertex(values: Grey, at: int) -> float:
    if not 0 < at < len(values) - 1:
        return 0.0
    before, here, after = (float(v) for v in values[at - 1 : at + 2])
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def _unit(patch: Grey) -> Grey:
    centred = patch - patch.mean()
    result: Grey = centred / max(float(np.linalg.norm(centred)), 1e-6)
    return result
