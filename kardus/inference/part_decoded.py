"""Pictures that are decoded no further than they are used: most are judged, and only a few of them are classified."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kardus.support.errors import DataError

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are beyond it."""


class BrokenPictureError(DataError):
    """A picture that was believed to be whole can't be decoded."""


class PartlyDecodedPicture(ABC):
    """A picture of which that much is decoded that it can be judged. May be used by several threads."""

    def __init__(self, size: tuple[int, int]) -> None:
        """`size`: width and height of the whole picture."""
        self.size = size
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
                self._whole = self._decode()
            return self._whole

    @abstractmethod
    def crop(self, box: Box) -> Image.Image:
        """A part of the whole picture, RGB; raises BrokenPictureError."""

    @abstractmethod
    def reduced(self, factor: int) -> Image.Image:
        """The picture, RGB, made smaller by a whole number from 2 on; sizes are rounded up."""

    @abstractmethod
    def halved_greens(self, boxes: Sequence[Box]) -> list[NDArray[np.uint8]]:
        """Parts of the green of the picture at half of its width and height, each (h, w); boxes are in its pixels."""

    @abstractmethod
    def _decode(self) -> Image.Image:
        """The whole picture; called once."""


GivenPicture: TypeAlias = Image.Image | PartlyDecodedPicture
"""A picture as its source gave it, RGB, however much of it is decoded."""


def whole_of(given: GivenPicture) -> Image.Image:
    """A picture, however much of it is decoded.

    Raises:
        BrokenPictureError: the rest can't be.
    """
    return given.whole if isinstance(given, PartlyDecodedPicture) else given
