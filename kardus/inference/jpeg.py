"""JPEG as cameras send it: where a picture ends, and whether it is whole. The decoder, Pillow, tells neither.

What is missing may be the end, or, where a picture comes in several scans or its code has restart markers, anything
between two of these: from the next one on the decoder goes on as if nothing had happened.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
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
_INTERVAL = 0xDD
_SCAN = 0xDA
_MIN_SCAN = 6
"""Bytes of its header."""
_SEQUENTIAL = {0xC0, 0xC1, 0xC9}
_PROGRESSIVE = {0xC2, 0xCA}
"""Frames of blocks, by Huffman's code and arithmetic."""
_APPLICATIONS = range(0xE0, 0xF0)
"""What programs add to a picture, each with a number of its own."""
_EXIF, _ADOBE = 0xE1, 0xEE
_LEAST = {(0xE0, b"JFIF"): 7, (0xE2, b"ICC_PROFILE\0"): 14, (_ADOBE, b"Adobe"): 12}
"""Of those that say something of its colours, how they begin, and the fewest bytes in which they say it."""
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_RESTARTS = 8
"""After so many their numbers begin anew."""
_BLOCK = 8
"""Pixels."""
_FILLED = (126, 129)
"""Levels, whatever the channels stand for, of what libjpeg fills a picture with where data are missing."""
_LOOKED_AT = 4
"""Pixels between two that are looked at: a block has two each way, or its half one."""
_PADDING = bytes((37 * number + 11) % 251 for number in range(256))


@dataclass(frozen=True)
class _Frame:
    """A picture's size, and of each component how many blocks it has in a unit, across and down."""

    width: int
    height: int
    numbers: bytes
    """The components', which needn't differ."""
    sampling: tuple[tuple[int, int], ...]
    is_progressive: bool

    def components(self, numbers: bytes) -> list[int]:
        """Which of the frame's a scan's are: of several with one number each once, in their order, as libjpeg does."""
        found: list[int] = []
        for number in numbers:
            found += [place for place, own in enumerate(self.numbers) if own == number and place not in found][:1]
        return found

    def restarts(self, components: list[int], interval: int) -> int:
        """How many restart markers a scan of these components must have, at one every so many units."""
        return max(0, self._units(components) - 1) // interval if interval else 0

    def _units(self, components: list[int]) -> int:
        """How many units a scan of these components has (ITU-T T.81, A.2): of one alone, its blocks.

        None where the frame's header gives no height, which may come after the code.
        """
        most = [max(sampling[way] for sampling in self.sampling) for way in (0, 1)]
        own = self.sampling[components[0]] if len(components) == 1 else (1, 1)
        across, down = (
            _parts(_parts(pixels * share, whole), _BLOCK)
            for pixels, share, whole in zip((self.width, self.height), own, most, strict=True)
        )
        return across * down


@dataclass(frozen=True)
class _Scan:
    """A coded part of the picture, as its header says."""

    begin: int
    """Where its code does, after the header."""
    frame: _Frame
    components: list[int]
    """Which of the frame's components the scan codes."""
    places: range
    """Which of a block's coefficients it is about."""
    bits_left: int
    """How many low bits of each coefficient are still to come after this scan."""
    restarts: int
    """How many restart markers it must have."""


def lacks_a_part(data: bytes, picture: ImageFile.ImageFile) -> bool:
    """Whether the JPEG that begins `data`, and was decoded as `picture`, lacks a part of its code.

    Pillow refuses one that lacks its end mark; of one that has it, what is missing is filled.
    """
    return lacks_markers(data) or (_may_lack(data, picture) and _is_filled(data, picture))


def lacks_markers(data: bytes) -> bool:
    """Whether of the JPEG that begins `data` a scan or a restart marker is missing, and with it what lay before.

    Restart markers are numbered, and each ends as many units as the restart interval says; more of them than a picture
    needs are passed over, as decoders do. Of a whole picture's coefficients each comes to its last bit.
    """
    bits_left: dict[tuple[int, int], int] = {}
    scan: _Scan | None = None
    for scan in _scans(data):
        if scan.restarts and not _restarts_run_on(data, scan):
            return True
        bits_left |= {(part, place): scan.bits_left for part in scan.components for place in scan.places}
        if len(bits_left) >= len(scan.frame.sampling) * _BLOCK * _BLOCK and not any(bits_left.values()):
            return False
    return scan is not None


def _restarts_run_on(data: bytes, scan: _Scan) -> bool:
    numbers = (marker[1][0] % _RESTARTS for marker in _RESTART.finditer(data, scan.begin, _code_end(data, scan)))
    return list(islice(numbers, scan.restarts)) == [number % _RESTARTS for number in range(scan.restarts)]


def without_additions(data: bytes) -> bytes:
    """The JPEG that begins `data`, without what programs have added: its EXIF and what is said of its colours stay.

    Pillow takes no picture with an addition that is shorter than it should be; decoders pass over it.
    """
    pieces, at = list[bytes](), 0
    for marker in _markers(data):
        kind, begin = marker[0][1], marker.end()
        if kind == _SCAN:
            break
        end = begin + _number(data, begin)
        if kind in _APPLICATIONS and not _is_of_use(kind, data[begin + 2 : end]):
            pieces.append(data[at : marker.start()])
            at = end
    return b"".join([*pieces, data[at:]])


def _is_of_use(kind: int, content: bytes) -> bool:
    least = next((least for (own, name), least in _LEAST.items() if own == kind and content.startswith(name)), None)
    return kind == _EXIF or (least is not None and len(content) >= least)


def picture_end(data: bytes) -> int | None:
    """Where the JPEG at the beginning of `data` ends; a second one's beginning ends it, too. None: nowhere."""
    return next((marker.end() for marker in _markers(data) if marker[0] in {END, START}), None)


def _may_lack(data: bytes, picture: ImageFile.ImageFile) -> bool:
    """Whether it is worth decoding once more: a corner is filled, or the coarse whole came before the details.

    Where there are restart markers, any block may have been filled.
    """
    if picture.info.get("progressive") or (_has_restarts(data) and _has_filled_blocks(picture)):
        return True
    right, bottom = picture.width - 1, picture.height - 1
    corners = [picture.crop((x, y, x + 1, y + 1)) for x in (0, right) for y in (0, bottom)]
    return any(all(_FILLED[0] <= level <= _FILLED[1] for level in corner.tobytes()) for corner in corners)


def _has_filled_blocks(picture: Image.Image) -> bool:
    width, height = picture.width // _LOOKED_AT, picture.height // _LOOKED_AT
    if width == 0 or height == 0:
        return True
    box = (0, 0, width * _LOOKED_AT, height * _LOOKED_AT)
    filled = np.ones((height, width - 1), bool)
    for channel in picture.resize((width, height), Image.Resampling.NEAREST, box).split():
        levels = np.asarray(channel)
        filled &= (levels >= _FILLED[0])[:, 1:] & (levels <= _FILLED[1])[:, 1:] & (levels[:, 1:] == levels[:, :-1])
    return bool(filled.any())


def _is_filled(data: bytes, picture: Image.Image) -> bool:
    """Whether more code would change the picture.

    Bytes that follow the whole code of a part, before the next marker, are not looked at; where it was cut off, they
    become a part of the picture.
    """
    end = picture_end(data)
    if end is None:
        return False
    try:
        more = _padded(without_additions(data[: end - len(END)]))
        with Image.open(io.BytesIO(more), formats=("JPEG",)) as padded:
            if padded.size != picture.size:
                padded.draft(None, picture.size)  # decoded in part, as the picture was
            return padded.tobytes() != picture.tobytes()
    except (OSError, SyntaxError, ValueError):
        return True


def _padded(data: bytes) -> bytes:
    """A JPEG without its end mark, as one with it, in which more code follows each part's."""
    data += END
    pieces, at = list[bytes](), 0
    for scan in _scans(data):
        end = _code_end(data, scan)
        code = _RESTART.sub(lambda marker: _PADDING + marker[0], data[scan.begin : end])
        pieces += [data[at : scan.begin], code, _PADDING]
        at = end
    return b"".join([*pieces, data[at:]])


def _has_restarts(data: bytes) -> bool:
    return any(scan.restarts for scan in islice(_scans(data), 1))


def _scans(data: bytes) -> Iterator[_Scan]:
    """The scans of a frame of blocks; of another, none."""
    frame: _Frame | None = None
    interval = 0
    for marker in _markers(data):
        kind, at = marker[0][1], marker.end()
        end = at + _number(data, at)
        if kind == _INTERVAL:
            interval = _number(data, at + 2)
        elif kind in _SEQUENTIAL | _PROGRESSIVE:
            frame = _frame(data[at + 2 : end], is_progressive=kind in _PROGRESSIVE)
        elif kind == _SCAN and frame is not None and at + _MIN_SCAN <= end <= len(data):
            yield _scan(data[at + 3 : end], frame, end, interval)


def _scan(header: bytes, frame: _Frame, begin: int, interval: int) -> _Scan:
    """What a scan's header says (ITU-T T.81, B.2.3).

    A sequential frame's scans are about whole blocks, whatever is written there; some cameras write noughts.
    """
    components = frame.components(header[:-3:2])
    first, last, bits = header[-3:] if frame.is_progressive else (0, _BLOCK * _BLOCK - 1, 0)
    places = range(first, last + 1)
    return _Scan(begin, frame, components, places, bits & 15, frame.restarts(components, interval))


def _code_end(data: bytes, scan: _Scan) -> int:
    end = MARKER.search(data, scan.begin)
    return end.start() if end is not None else len(data)


def _frame(header: bytes, *, is_progressive: bool) -> _Frame | None:
    """What a frame's header says (ITU-T T.81, B.2.2); None: nothing of use."""
    parts = [(number, size) for number, size in zip(header[6::3], header[7::3], strict=False) if size >> 4]
    numbers, sampling = bytes(number for number, _ in parts), tuple((size >> 4, size & 15) for _, size in parts)
    return _Frame(_number(header, 3), _number(header, 1), numbers, sampling, is_progressive) if parts else None


def _markers(data: bytes) -> Iterator[re.Match[bytes]]:
    """The markers of the JPEG that begins `data`, but for its first; the last is its end."""
    at = len(START)
    while (marker := MARKER.search(data, at)) is not None:
        yield marker
        if marker[0] in {END, START}:
            return
        at = marker.end()
        if marker[0][1:] != WITHOUT_LENGTH:
            at += _number(data, at)


def _number(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2])


def _parts(whole: int, size: int) -> int:
    """How many parts of that size it takes to cover the whole."""
    return -(-whole // max(1, size))
