"""Several views of each of a few photos: a product's mean is not to depend on how its one photo was held."""

import math
from collections.abc import Iterable

import numpy as np
from PIL import Image

from kardus.inference.geometry import rectangle
from kardus.inference.preprocess import Pixels, cut_out

VIEWS = 5
"""So many crops a product at least: more photos than that are taken as they are."""
MIN_ZOOM = 0.72
"""The least of a photo's width and height that a view shows."""
TURN_RAD = math.radians(10)
SLANT = 0.05
BRIGHTNESS, CONTRAST, WARMTH = 0.2, 0.15, 0.06
"""Largest relative changes of a view's brightness, its contrast and each of its channels."""


def views_of(pictures: Iterable[Image.Image], count: int, size_px: int) -> Pixels:
    """Views of photos, as many of each, at least VIEWS together; those of the same photos are the same.

    Args:
        pictures: photos, one at least; each is let go before the next is taken, since one may have 50 megapixels.
        count: how many there are, n.
        size_px: width and height of the model's crops.

    Returns:
        (n, v, size_px, size_px, 3) uint8 RGB; the first of each is the whole photo.
    """
    each = math.ceil(VIEWS / count)
    rng = np.random.default_rng(0)
    return np.stack([[_view(picture, size_px, rng, whole=view == 0) for view in range(each)] for picture in pictures])


def _view(picture: Image.Image, size_px: int, rng: np.random.Generator, *, whole: bool) -> Pixels:
    width, height = picture.size
    if whole:
        return cut_out(picture, rectangle(0, 0, width, height), size_px)
    zoom, turn = rng.uniform(MIN_ZOOM, 1), rng.uniform(-TURN_RAD, TURN_RAD)
    middle = rng.uniform(zoom / 2, 1 - zoom / 2, 2) * picture.size
    corners = rectangle(-0.5, -0.5, 0.5, 0.5) * picture.size * zoom * rng.uniform(1 - SLANT, 1 + SLANT, (4, 1))
    turned = corners @ np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]]) + middle
    crop = cut_out(picture, np.clip(turned, 0, picture.size), size_px).astype(np.float32)
    mean, contrast = crop.mean(), rng.uniform(1 - CONTRAST, 1 + CONTRAST)
    lit = (crop - mean) * contrast + mean * rng.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS)
    shown: Pixels = np.clip(lit * rng.uniform(1 - WARMTH, 1 + WARMTH, (1, 1, 3)), 0, 255).astype(np.uint8)
    return shown
