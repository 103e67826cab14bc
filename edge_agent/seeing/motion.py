"""How a camera has moved: a shift, a turn and a zoom that fit marks found again, or a shift of the whole picture."""

from __future__ import annotations

import numpy as np

from edge_agent.seeing.marks import Grey
from kardus.inference.geometry import FloatArray

FEWEST = 3
"""Two fix a similarity; a third can contradict them."""
AGREE_PX = 1.5
"""A mark that lies further from the motion of the others, in pixels of the reduced picture, was mistaken."""


def fit_similarity(source: FloatArray, target: FloatArray) -> tuple[FloatArray, int]:
    """The similarity (3 x 3) that most of the points agree on, and how many do.

    It is fitted by least squares; where points contradict it, every pair of them proposes one (RANSAC without chance:
    they are few), and it is fitted to those that agree with the best.

    Args:
        source: (n, 2).
        target: (n, 2).

    Returns:
        The identity and 0 where fewer than FEWEST agree.
    """
    if len(source) < FEWEST:
        return np.eye(3), 0
    whole = _least_squares(source, target)
    if (_errors(whole, source, target) <= AGREE_PX).all():
        return whole, len(source)
    best = np.zeros(len(source), bool)
    for first in range(len(source)):
        for second in range(first + 1, len(source)):
            pair = [first, second]
            if np.linalg.norm(source[first] - source[second]) < 1:
                continue
            agree = _errors(_least_squares(source[pair], target[pair]), source, target) <= AGREE_PX
            if agree.sum() > best.sum():
                best = agree
    if best.sum() < FEWEST:
        return np.eye(3), 0
    return _least_squares(source[best], target[best]), int(best.sum())


def whole_shift(before: Grey, now: Grey) -> FloatArray:
    """By how much a picture as a whole has been shifted, however far, if it has: (2,), in whole pixels.

    Phase correlation (Kuglin and Hines, The phase correlation image alignment method, 1975): light and contrast don't
    count. Another picture gives some shift too: look there before you believe it.

    Args:
        before: (h, w).
        now: (h, w).
    """
    height, width = before.shape
    window = np.outer(np.hanning(height), np.hanning(width))  # a picture's borders would be the strongest edges
    first, second = (np.fft.rfft2((grey - grey.mean()) * window) for grey in (before, now))
    product = first.conj() * second
    peaks = np.fft.irfft2(product / np.maximum(np.abs(product), 1e-6), before.shape)
    y, x = np.unravel_index(peaks.argmax(), peaks.shape)
    middle = np.array([width // 2, height // 2])
    shift: FloatArray = ((np.array([x, y]) + middle) % [width, height] - middle).astype(np.float64)
    return shift


def _least_squares(source: FloatArray, target: FloatArray) -> FloatArray:
    """The similarity x' = a x - b y + c, y' = b x + a y + d."""
    x, y = source[:, 0], source[:, 1]
    one, none = np.ones_like(x), np.zeros_like(x)
    rows = np.concatenate([np.stack([x, -y, one, none], 1), np.stack([y, x, none, one], 1)])
    a, b, c, d = np.linalg.lstsq(rows, np.concatenate([target[:, 0], target[:, 1]]), rcond=None)[0]
    return np.array([[a, -b, c], [b, a, d], [0.0, 0.0, 1.0]])


def _errors(matrix: FloatArray, source: FloatArray, target: FloatArray) -> FloatArray:
    moved = source @ matrix[:2, :2].T + matrix[:2, 2]
    errors: FloatArray = np.linalg.norm(moved - target, axis=1)
    return errors
