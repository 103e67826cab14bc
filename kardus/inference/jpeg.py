"""JPEG as cameras send it: where a picture ends, and whether it is whole. The decoder, Pillow, tells neither."""

import io
import re

from PIL import Image, ImageFile

CUT_OFF = "a picture was cut off"
START = b"\xff\xd8"
END = b"\xff\xd9"
FRAME_START = START + b"\xff"
"""A picture's first bytes."""
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""What is no marker, but part of the coded picture: 00 (a literal FF), FF (fill), D0 to D7 (restart)."""
WITHOUT_LENGTH = b"\x01"
FORMATS = ("JPEG", "MPO")
_FILLED = (126, 129)
"""Levels, whatever the channels stand for, of what libjpeg fills a picture with where its data end early."""
_PADDING = bytes((37 * number + 11) % 251 for number in range(256))


def may_be_cut_off(picture: ImageFile.ImageFile) -> bool:
    """Whether a decoded JPEG is worth a second look: a corner is filled, or the coarse whole came before the details.

    Pillow refuses one that lacks its end mark; of one that has it, what is missing is filled.
    """
    if picture.info.get("progressive"):
        return True
    right, bottom = picture.width - 1, picture.height - 1
    corners = [picture.crop((x, y, x + 1, y + 1)) for x in (0, right) for y in (0, bottom)]
    return any(all(_FILLED[0] <= level <= _FILLED[1] for level in corner.tobytes()) for corner in corners)


def is_cut_off(data: bytes, picture: Image.Image) -> bool:
    """Whether the JPEG that begins `data`, and was decoded as `picture`, lacks a part of its code.

    Bytes that follow a whole picture's code are not looked at; of one that was cut off, they become a part.
    """
    end = picture_end(data)
    if end is None:
        return False
    try:
        with Image.open(io.BytesIO(data[: end - len(END)] + _PADDING + END), formats=("JPEG",)) as padded:
            if padded.size != picture.size:
                padded.draft(None, picture.size)  # decoded in part, as the picture was
            return padded.tobytes() != picture.tobytes()
    except (OSError, SyntaxError, ValueError):
        return True


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
