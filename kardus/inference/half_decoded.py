"""A JPEG decoded to half of its width and height, as its own transform gives it, and whole only where that is needed.

What a picture is worth can be judged by its half, which takes less time than the whole, and less memory afterwards.
Both come of the same bytes, so that a damaged JPEG is found with the half already.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kardus.inference.geometry import reduction
from kardus.inference.part_decoded import Box, BrokenPictureError, PartlyDecodedPicture
from kardus.support.errors import DataError


class HalfSizePicture(PartlyDecodedPicture):
    """A picture of which half the width and height is there."""

    def __init__(self, half: Image.Image, size: tuple[int, int], decode: Callable[[], Image.Image]) -> None:
        """Keep it.

        Args:
            half: RGB.
            size: width and height of the whole picture.
            decode: gives the whole picture, RGB; raises DataError.
        """
        super().__init__(size)
        self.half = half
        self._decode_all = decode

    def crop(self, box: Box) -> Image.Image:
        """Of the whole picture, which is decoded for it."""
        return self.whole.crop(box)

    def reduced(self, factor: int) -> Image.Image:
        """By an odd number, too: each of its pixels is the mean of as many, and parts, of the half's pixels."""
        if factor % 2 == 0:
            return self.half.reduce(factor // 2)
        return self.half.resize(self.size, Image.Resampling.NEAREST).reduce(factor)

    def halved_greens(self, boxes: Sequence[Box]) -> list[NDArray[np.uint8]]:
        """Of all that was decoded: Pillow needs more time for a dozen small parts than for one large one."""
        green = np.asarray(self.half.getchannel(1))
        return [green[top:bottom, left:right] for left, top, right, bottom in boxes]

    def _decode(self) -> Image.Image:
        try:
            return self._decode_all()
        except DataError as error:
            raise BrokenPictureError(f"{error}: check what sends the picture") from error


def is_judged_by_half(width: int) -> bool:
    """Whether all that a picture of this width is judged by can be made of its half."""
    return reduction(width) > 1
