"""A picture as video codes it: its luma, and two planes of chroma at half of its width and height (4:2:0).

It is judged by its planes, which take a fraction of the time that RGB takes for all of it; RGB is made of the parts
alone that are looked at. As in FFmpeg's own conversion, four pixels share a value of chroma.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kardus.inference.part_decoded import Box, PartlyDecodedPicture


@dataclass(frozen=True)
class Coding:
    """How colours are coded in luma and chroma."""

    red: float
    """How much red there is in luma, from 0 to 1 ..."""
    blue: float
    """... and how much blue."""
    is_full: bool
    """Whether luma has all levels from 0 to 255, and not those from 16 to 235 alone."""

    @property
    def matrix(self) -> tuple[float, ...]:
        """From (luma, blue difference, red difference, 1) to RGB, as Pillow wants it (12)."""
        luma, chroma, black = (1.0, 1.0, 0) if self.is_full else (255 / 219, 255 / 224, 16)
        of_red, of_blue = 2 * (1 - self.red) * chroma, 2 * (1 - self.blue) * chroma
        green = 1 - self.red - self.blue
        rows = ((0.0, of_red), (-of_blue * self.blue / green, -of_red * self.red / green), (of_blue, 0.0))
        return tuple(
            value for across, down in rows for value in (luma, across, down, -luma * black - 128 * (across + down))
        )


BT601, BT709 = (0.299, 0.114), (0.2126, 0.0722)
CODINGS = tuple(Coding(*shares, is_full) for shares in (BT601, BT709) for is_full in (False, True))


class PlanarPicture(PartlyDecodedPicture):
    """A picture whose planes are there. Its width and height are even."""

    def __init__(self, planes: bytes, size: tuple[int, int], coding: Coding) -> None:
        """Keep it.

        Args:
            planes: luma, blue and red difference, one after the other, row by row without gaps.
            size: width and height, both even.
            coding: of its colours.
        """
        super().__init__(size)
        width, height = size
        self._matrix = coding.matrix
        luma, chroma = width * height, width * height // 4
        self._luma = _plane(planes, 0, size)
        self._blue = _plane(planes, luma, (width // 2, height // 2))
        self._red = _plane(planes, luma + chroma, (width // 2, height // 2))

    def crop(self, box: Box) -> Image.Image:
        """RGB of this part alone."""
        left, top, right, bottom = box[0] // 2, box[1] // 2, -(-box[2] // 2), -(-box[3] // 2)
        blue, red = (_doubled(plane.crop((left, top, right, bottom))) for plane in (self._blue, self._red))
        found = self._rgb(self._luma.crop((2 * left, 2 * top, 2 * right, 2 * bottom)), blue, red)
        x, y = box[0] - 2 * left, box[1] - 2 * top
        return found.crop((x, y, x + box[2] - box[0], y + box[3] - box[1]))

    def reduced(self, factor: int) -> Image.Image:
        """Each plane by itself."""
        planes = (self._blue, self._red)
        if factor % 2:
            small = [_doubled(plane).reduce(factor) for plane in planes]
        else:
            small = [plane.reduce(factor // 2) for plane in planes]
        return self._rgb(self._luma.reduce(factor), *small)

    def halved_greens(self, boxes: Sequence[Box]) -> list[NDArray[np.uint8]]:
        """Of these parts alone."""
        return [np.asarray(self._halved_green(box)) for box in boxes]

    def _halved_green(self, box: Box) -> Image.Image:
        luma = self._luma.crop((2 * box[0], 2 * box[1], 2 * box[2], 2 * box[3])).reduce(2)
        planes = Image.merge("RGB", (luma, self._blue.crop(box), self._red.crop(box)))
        return planes.convert("L", self._matrix[4:8])

    def _decode(self) -> Image.Image:
        return self._rgb(self._luma, _doubled(self._blue), _doubled(self._red))

    def _rgb(self, luma: Image.Image, blue: Image.Image, red: Image.Image) -> Image.Image:
        return Image.merge("RGB", (luma, blue, red)).convert("RGB", self._matrix)


def planes_size(width: int, height: int) -> int:
    """How many bytes the planes of a picture have."""
    return width * height * 3 // 2


def _plane(planes: bytes, offset: int, size: tuple[int, int]) -> Image.Image:
    """Lies in `planes`, uncopied."""
    pixels = np.frombuffer(planes, np.uint8, size[0] * size[1], offset)
    return Image.frombuffer("L", size, pixels, "raw", "L", 0, 1)


def _doubled(plane: Image.Image) -> Image.Image:
    return plane.resize((2 * plane.width, 2 * plane.height), Image.Resampling.NEAREST)
