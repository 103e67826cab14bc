"""Picture after picture in one answer (multipart/x-mixed-replace), as cameras really send them.

What cameras write between their pictures can't be relied on: the type may be missing or misspelt, the length wrong, the
boundary another than the one announced, without its dashes or with more. So each picture's own marks tell where
it begins and ends, and a boundary serves for one thing alone: inside a picture, it shows that this was cut off. Most
are JPEGs; a PNG, a WebP or a BMP says itself how long it is.
"""

import re

from edge_agent.camera.errors import PictureTooLargeError
from kardus.inference.jpeg import CUT_OFF, END, FRAME_START, MARKER, START, WITHOUT_LENGTH

MAX_BYTES = 50_000_000
"""Of one picture; one that goes on for longer never ends."""
_KEPT = 4096
"""Of what lies between pictures: its lines name the boundary."""
_SHORTEST, _LONGEST = 4, 200
"""A boundary's length, without its dashes."""
_PNG, _RIFF = b"\x89PNG\r\n\x1a\n", b"RIFF"
_OTHERS = rb"\x89PNG\r\n\x1a\n|RIFF.{4}WEBP|BM.{4}\0{4}.{4}[\x28\x6c\x7c]\0{3}"
_OTHER = re.compile(_OTHERS, re.DOTALL)
"""How a picture begins that is no JPEG."""
_LEAST = 26
"""Bytes of the head of a BMP, which may say less of itself."""
_BEGINNING = re.compile(re.escape(FRAME_START) + b"|" + _OTHERS, re.DOTALL)


class MultipartPictures:
    """Takes bytes as they come, and gives the pictures in them; the same ones however the bytes were split."""

    def __init__(self, content_type: str, max_bytes: int = MAX_BYTES) -> None:
        """`content_type` is the answer's; it needn't name a boundary."""
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._at: int | None = None
        """How much of the picture that begins the buffer needs no second look; None: between pictures."""
        self._searched = 0
        """Up to where no boundary begins."""
        named = re.search(r"""boundary\s*=\s*("[^"]*"|[^\s;,]+)""", content_type, re.IGNORECASE)
        self._boundary = _boundary(named[1].strip('"').encode("latin-1", "replace") if named else b"")

    def feed(self, data: bytes) -> list[bytes | str]:
        """The pictures that are whole now, and a reason for each that was cut off.

        Raises:
            PictureTooLargeError: one has more than the permitted bytes.
        """
        self._buffer += data
        found: list[bytes | str] = []
        while (item := self._next()) is not None:
            found.append(item)
        return found

    def end(self) -> list[str]:
        """Nothing more comes: a reason, if that cut a picture off."""
        return [CUT_OFF] if self._at is not None else []

    def _next(self) -> bytes | str | None:
        if self._at is None and not self._begin():
            return None
        end, is_whole = self._picture_end()
        if (end or len(self._buffer)) > self._max_bytes:
            raise PictureTooLargeError(f"it sends a picture of more than {self._max_bytes} bytes")
        if end is None:
            return None
        picture = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._at = None
        return picture if is_whole else CUT_OFF

    def _begin(self) -> bool:
        """Go to the next picture's first byte, by way of what lies before it."""
        begun = _BEGINNING.search(self._buffer)
        if begun is None:
            del self._buffer[:-_KEPT]
            return False
        start = begun.start()
        lines = bytes(self._buffer[max(0, start - _KEPT) : start]).splitlines()
        self._boundary = next((_boundary(line) for line in reversed(lines) if line.startswith(b"--")), self._boundary)
        del self._buffer[:start]
        self._at = self._searched = len(START)
        return True

    def _picture_end(self) -> tuple[int | None, bool]:
        """Where the picture at the buffer's beginning ends, and whether it is whole; None: that hasn't come yet."""
        foreign = self._foreign_in_picture()
        if self._buffer.startswith(FRAME_START):
            return self._jpeg_end(foreign)
        end = self._end_by_length()
        is_there = end is not None and end <= min(foreign or end, len(self._buffer))
        return (end, True) if is_there else (foreign, False)

    def _end_by_length(self) -> int | None:
        """Where a picture that is no JPEG ends, by its own lengths; None: not yet known."""
        if self._buffer.startswith(_RIFF):
            return 8 + -(-int.from_bytes(self._buffer[4:8], "little") // 2) * 2
        if not self._buffer.startswith(_PNG):
            return max(_LEAST, int.from_bytes(self._buffer[2:6], "little"))
        at = max(self._at or 0, len(_PNG))
        while len(self._buffer) >= at + 8:  # a chunk's length and name, behind its content a checksum
            name = self._buffer[at + 4 : at + 8]
            after = at + int.from_bytes(self._buffer[at : at + 4]) + 12
            if name == b"IEND":
                return after
            self._at = at = after
        return None

    def _jpeg_end(self, foreign: int | None) -> tuple[int | None, bool]:
        while (marker := MARKER.search(self._buffer, self._at or 0)) is not None:
            if foreign is not None and marker.start() > foreign:
                break
            if marker[0] in {START, END}:
                return (marker.end(), True) if marker[0] == END else (marker.start(), False)
            after = marker.end()
            if marker[0][1:] != WITHOUT_LENGTH:
                if len(self._buffer) < after + 2:
                    break
                after += int.from_bytes(self._buffer[after : after + 2])
            self._at = after
        else:
            self._at = max(self._at or 0, len(self._buffer) - 1)
        return foreign, False

    def _foreign_in_picture(self) -> int | None:
        """Where something begins that is no part of the picture: a boundary, in one that is no JPEG another such."""
        signs = (self._boundary, None if self._buffer.startswith(FRAME_START) else _OTHER)
        found = [sign.search(self._buffer, self._searched) for sign in signs if sign is not None]
        starts = [match.start() for match in found if match is not None]
        if not starts:
            self._searched = max(self._searched, len(self._buffer) - _KEPT)
        return min(starts, default=None)


def _boundary(name: bytes) -> re.Pattern[bytes] | None:
    """A line of it, with however many dashes. None: none, or one so short that a picture may hold it by chance."""
    core = name.strip(b"- \t")
    if not _SHORTEST <= len(core) <= _LONGEST:
        return None
    return re.compile(rb"\n-{0,70}" + re.escape(core) + rb"-{0,70}[ \t]{0,70}\r?\n")
