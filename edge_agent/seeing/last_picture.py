"""Notices where a live camera gives the same picture again instead of a new one: it may be frozen."""

import zlib

import numpy as np
from PIL import Image, ImageFilter

from edge_agent.seeing.mask import Mask, Masked
from kardus.inference.geometry import reduction
from kardus.inference.part_decoded import GivenPicture, PartlyDecodedPicture, whole_of
from kardus.inference.preprocess import Pixels


class RepeatGuard:
    """Tells the last picture once more from a new one: a sensor's noise never gives the same values twice."""

    def __init__(self, mask: Mask) -> None:
        """`mask`: areas that may change though the picture is the same; a clock may go on."""
        self._mask = mask
        self._last: GivenPicture | None = None
        self._checksum = 0
        self._beside: tuple[tuple[int, ...], Masked] | None = None

    def is_repeated(self, given: GivenPicture, small: Pixels) -> bool:
        """Whether this, of which `small` is the reduced picture, is the last one. It is the last one from now on."""
        last, before = self._last, self._checksum
        self._last, self._checksum = given, self._checksum_of(small)
        if last is None:
            return False
        if isinstance(last, PartlyDecodedPicture) == isinstance(given, PartlyDecodedPicture):
            return self._checksum == before
        return self._of_whole(last) == self._of_whole(given)  # made in two ways, the same picture differs a little

    def _of_whole(self, given: GivenPicture) -> int:
        return self._checksum_of(np.asarray(whole_of(given).reduce(reduction(given.size[0]))))

    def _checksum_of(self, small: Pixels) -> int:
        if self._mask.areas:
            small = np.where(self._masked(small.shape)[..., None], np.uint8(0), small)
        return zlib.crc32(small.tobytes())

    def _masked(self, shape: tuple[int, ...]) -> Masked:
        """The masked pixels, and those beside them: a pixel of the reduced picture can hold a part of an area."""
        if self._beside is None or self._beside[0] != shape:
            masked = Image.fromarray(self._mask.over(shape[1], shape[0])).convert("L")
            self._beside = shape, np.asarray(masked.filter(ImageFilter.MaxFilter(3))) > 0
        return self._beside[1]
