"""Takes another light, or another white balance, out of crops before they are classified.

Gains act on light, so they are applied in linear light: sRGB's curve (IEC 61966-2-1) is undone and done again, by one
table for each crop and channel. What was clipped stays clipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kardus.inference.preprocess import Pixels

Float32Array = NDArray[np.float32]
_KNEE = 0.04045
"""Up to this level, of 1, sRGB's curve is a line of slope 1 / 12.92."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""How bright each channel seems (ITU-R BT.601)."""


def _linear() -> Float32Array:
    encoded = np.arange(256) / 255
    light = np.where(encoded <= _KNEE, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    light[0] = light[1] / 2  # nothing is darker than what the smallest step can tell: it has a logarithm
    return light.astype(np.float32)


LIGHT = _linear()
"""The light, from 0 to 1, that each level of an 8-bit sRGB channel stands for (256)."""


@dataclass(frozen=True)
class ColourCorrection:
    """What to do to n slots of a picture."""

    gains: Float32Array
    """By what the light of each slot's channels has grown, and is to be divided by: (n, 3), above 0."""
    colour: float = 1.0
    """By what the distance from grey is to be multiplied, 1 or more."""

    levels: Pixels | None = None
    """What each of the 256 levels becomes before anything else; None: it stays."""

    def of(self, slots: Sequence[int]) -> "ColourCorrection":
        """The same for some of the slots."""
        return ColourCorrection(self.gains[list(slots)], self.colour, self.levels)

    def apply(self, crops: Pixels) -> Pixels:
        """Crops (n, height, width, 3), uint8 RGB, as they would look in the light that they are known in."""
        light = LIGHT if self.levels is None else LIGHT[self.levels]
        tables = _encoded(light[None, :, None] / self.gains[:, None, :])  # (n, 256, 3)
        corrected = np.empty_like(crops)
        for crop, table, out in zip(crops, tables, corrected, strict=True):
            for channel in range(3):
                out[..., channel] = table[crop[..., channel], channel]
        return corrected if self.colour == 1.0 else _coloured(corrected, self.colour)


def _encoded(light: Float32Array) -> Pixels:
    light = np.clip(light, 0.0, 1.0)
    encoded = np.where(light <= _KNEE / 12.92, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    levels: Pixels = np.round(255 * encoded).astype(np.uint8)
    return levels


def _coloured(crops: Pixels, factor: float) -> Pixels:
    grey = (crops @ LUMA)[..., None]
    stronger: Pixels = np.clip(grey + (crops - grey) * np.float32(factor), 0, 255).astype(np.uint8)
    return stronger
