"""A JPEG decoded to half of its width and height, as its own transform gives it, and whole only where that is needed.

What a picture is worth can be judged by its half, which takes less time than the whole, and less memory afterwards.
Both come of the same bytes, so that a damaged JPEG is found with the half already.
"""

import threading
from collections.abc import Callable

from PIL import Image

from kardus.inference.geometry import reduction
from kardus.support.errors import DataError


class BrokenPictureError(DataError):
    """A picture that was believed to be whole can't be decoded."""


class HalfDecoded:
    """A picture of which half the width and height is there. May be used by several threads."""

    def __init__(self, half: Image.Image, size: tuple[int, int], decode: Callable[[], Image.Image]) -> None:
        """Keep it.

        Args:
            half: RGB.
            size: width and height of the whole picture.
            decode: gives the whole picture, RGB; raises DataError.
        """
        self.half = half
        self.size = size
        self._decode = decode
        self._whole: Image.Image | None = None
        self._lock = threading.Lock()

    @property
    def whole(self) -> Image.Image:
        """The whole picture, RGB; decoded when it is first asked for.

        Raises:
            BrokenPictureError: it can't be.
        """
        with self._lock:
            if self._whole is None:
                try:
                    self._whole = self._decode()
                except DataError as error:
                    raise BrokenPictureError(f"{error}: check what sends the picture") from error
            return self._whole


def whole_of(given: Image.Image | HalfDecoded) -> Image.Image:
    """A picture, however much of it is decoded.

    Raises:
        BrokenPictureError: the rest can't be.
    """
    return given.whole if isinstance(given, HalfDecoded) else given


def is_judged_by_half(width: int) -> bool:
    """Whether all that a picture of this width is judged by can be made of its half."""
    return reduction(width) % 2 == 0
