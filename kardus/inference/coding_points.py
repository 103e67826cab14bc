"""What a PNG's cICP chunk says of its colours (PNG 3rd edition, 11.3.2.6), by the code points of ITU-T H.273.

Screenshots of HDR screens and browsers write it. It counts before a profile, sRGB, gamma and primaries.
"""

import struct
from typing import IO

from PIL import ImageFile

_SIGNATURE_BYTES, _HEAD_BYTES, _CHECKSUM_BYTES = 8, 8, 4
_MAX_CHUNKS = 1000
_D65 = (0.3127, 0.329)
_PRIMARIES = {
    1: (*_D65, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
    9: (*_D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    12: (*_D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
"""x and y of white, red, green and blue: BT.709 (sRGB's), BT.2020, Display P3."""
_SCREEN = 1 / 2.2
_GAMMAS = {1: _SCREEN, 4: _SCREEN, 5: 1 / 2.8, 6: _SCREEN, 8: 1.0, 13: _SCREEN, 14: _SCREEN, 15: _SCREEN}
"""sRGB's curve, and what screens show as if it were."""
_HDR = {16: "PQ", 18: "HLG"}


class HighDynamicRangeError(Exception):
    """Its levels aren't those of a screen; the text says whose they are."""


def heed_coding_points(image: ImageFile.ImageFile) -> None:
    """Put what the chunk says in place of what else an open PNG says of its colours.

    Raises:
        HighDynamicRangeError: nothing tells how bright its white is.
        OSError: the file can't be read.
    """
    points = _points(image.fp) if image.fp else None
    if points is None:
        return
    primaries, transfer = points
    if transfer in _HDR:
        raise HighDynamicRangeError(_HDR[transfer])
    if primaries in _PRIMARIES and transfer in _GAMMAS:
        for other in ("icc_profile", "srgb"):
            image.info.pop(other, None)
        image.info |= {"gamma": _GAMMAS[transfer], "chromaticity": _PRIMARIES[primaries]}


def _points(file: IO[bytes]) -> tuple[int, int] | None:
    """The code points of primaries and transfer, of levels from 0 to white; None: it says nothing of these."""
    place = file.tell()
    try:
        file.seek(_SIGNATURE_BYTES)
        for _ in range(_MAX_CHUNKS):
            head = file.read(_HEAD_BYTES)
            if len(head) < _HEAD_BYTES:
                return None
            length, name = struct.unpack(">I4s", head)
            if name == b"IDAT":
                return None
            if name == b"cICP" and length == 4:  # noqa: PLR2004 - a byte each
                primaries, transfer, matrix, is_full = file.read(length)
                return (primaries, transfer) if matrix == 0 and is_full == 1 else None
            file.seek(length + _CHECKSUM_BYTES, 1)
        return None
    finally:
        file.seek(place)
