"""JPEG as cameras send it: where a picture ends, and whether it is whole. The decoder, Pillow, tells neither."""

import re
from collections.abc import Callable

from PIL import Image

from kardus.inference.half_decoded import HalfDecoded
from kardus.inference.preprocess import decode_half, decode_picture
from kardus.support.errors import DataError

CUT_OFF = "a picture was cut off"
START = b"\xff\xd8"
END = b"\xff\xd9"
FRAME_START = START + b"\xff"
"""A picture's first bytes."""
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""What is no marker, but part of the coded picture: 00 (a literal FF), FF (fill), D0 to D7 (restart)."""
WITHOUT_LENGTH = b"\x01"
_PROGRESSIVE = b"\xff\xc2"
_FILLED = (128, 128, 128)
"""The grey that libjpeg fills a picture with where its data end early."""
_PADDING = bytes((37 * number + 11) % 251 for number in range(256))


def decode_whole(data: bytes, name: str) -> Image.Image:
    """As `decode_picture`, and refuses a JPEG that was cut off.

    Raises:
        DataError: it can't be read, or was cut off; whoever asked adds the remedy.
    """
    picture = decode_picture(data, name)
    _refuse_cut_off(data, name, picture, decode_picture)
    return picture


def decode_half_of_whole(data: bytes, name: str) -> Image.Image | HalfDecoded:
    """As `decode_half`, and refuses a JPEG that was cut off.

    Raises:
        DataError: as `decode_whole`.
    """
    picture = decode_half(data, name)
    _refuse_cut_off(data, name, _decoded_of(picture), lambda *padded: _decoded_of(decode_half(*padded)))
    return picture


def picture_end(data: bytes) -> int | None:
    """Where the JPEG at the beginning of `data` ends; a second one's beginning ends it, too. None: nowhere."""
    at = len(START)
    while (marker := MARKER.search(data, at)) is not None:
        kind = marker[0][1:]
        if marker[0] in {END, START}:
            return marker.end()
        at = marker.end()
        if kind != WITHOUT_LENGTH:
            at += int.from_bytes(data[at : at + 2])
    return None


def _decoded_of(picture: Image.Image | HalfDecoded) -> Image.Image:
    return picture.half if isinstance(picture, HalfDecoded) else picture


def _refuse_cut_off(data: bytes, name: str, picture: Image.Image, decode: Callable[[bytes, str], Image.Image]) -> None:
    end = picture_end(data) if data.startswith(FRAME_START) and _may_be_cut_off(data, picture) else None
    if end is not None:
        # Bytes that follow a whole picture's code are not looked at; of one that was cut off, they become a part.
        padded = decode(data[: end - len(END)] + _PADDING + END, name)
        if padded.tobytes() != picture.tobytes():
            raise DataError(f"{name}: not a whole picture: it was cut off")


def _may_be_cut_off(data: bytes, picture: Image.Image) -> bool:
    """Whether it is worth a second look: a corner is filled, or the coarse whole comes before the details."""
    corners = [(x, y) for x in (0, picture.width - 1) for y in (0, picture.height - 1)]  # it may have been turned
    return _PROGRESSIVE in data or any(picture.getpixel(corner) == _FILLED for corner in corners)
