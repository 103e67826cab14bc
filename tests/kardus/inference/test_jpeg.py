"""A JPEG that was cut off is none, whatever it holds; one that is whole is read, whatever its corners look like."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kardus.inference.jpeg import lacks_markers
from kardus.inference.part_decoded import whole_of
from kardus.inference.preprocess import decode_half, decode_picture, read_photo
from kardus.support.errors import DataError
from tests.cameras import chart
from tests.pictures import encoded

ROOM: dict[str, tuple[str, str, dict[str, object]]] = {
    "as nearly all": ("RGB", "JPEG", {}),
    "four inks": ("CMYK", "JPEG", {}),
    "progressive": ("RGB", "JPEG", {"progressive": True}),
    "grey": ("L", "JPEG", {}),
    "two pictures": ("RGB", "MPO", {"save_all": True, "append_images": [Image.new("RGB", (128, 96))]}),
}


def _jpeg(case: str, picture: Image.Image) -> bytes:
    mode, kind, options = ROOM[case]
    return encoded(picture.convert(mode), kind, quality=95, **options)


@pytest.mark.parametrize("share", [0.55, 0.9])
@pytest.mark.parametrize("case", [case for case in ROOM if case != "two pictures"])
def test_a_photo_that_was_cut_off_is_named_though_its_end_mark_is_there(
    tmp_path: Path, case: str, share: float
) -> None:
    whole = _jpeg(case, chart())
    (tmp_path / "p.jpg").write_bytes(whole[: int(len(whole) * share)] + b"\xff\xd9")
    with pytest.raises(DataError, match=r"p\.jpg: .*cut off"):
        read_photo(tmp_path / "p.jpg")


@pytest.mark.parametrize("case", ROOM)
def test_a_whole_photo_may_be_as_grey_as_what_is_missing(case: str) -> None:
    grey = Image.fromarray(np.full((96, 128, 3), 128, np.uint8))
    assert decode_picture(_jpeg(case, grey), "p").size == (128, 96)


MARKED: dict[str, dict[str, object]] = {
    "a marker a row": {"restart_marker_rows": 1},
    "a marker every few units": {"restart_marker_blocks": 7},
    "colours as fine as light": {"restart_marker_blocks": 5, "subsampling": 0},
    "progressive": {"restart_marker_rows": 1, "progressive": True},
    "progressive, without markers": {"progressive": True},
}


def _large(case: str, mode: str = "RGB", **options: object) -> bytes:
    return encoded(chart(600, 450).convert(mode), "JPEG", quality=95, **MARKED[case], **options)


def _without(data: bytes, begin: int, end: int) -> bytes:
    return data[:begin] + data[end:]


def _markers(data: bytes) -> list[int]:
    """Where the restart markers of a sequential JPEG begin."""
    code = data.index(b"\xff\xda")
    return [code + found.start() for found in re.finditer(rb"\xff[\xd0-\xd7]", data[code:])]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("case", MARKED)
def test_a_jpeg_that_lacks_its_middle_is_none_by_half_either(case: str, mode: str) -> None:
    whole = _large(case, mode)
    for decode in (decode_picture, decode_half):
        assert decode(whole, "p").size == (600, 450)
        for first in (0.3, 0.45, 0.6):
            cut = _without(whole, int(len(whole) * first), int(len(whole) * (first + 0.3)))
            with pytest.raises(DataError, match="cut off"):
                decode(cut, "p")


@pytest.mark.parametrize("count", [1, 2, 7, 8, 16])
def test_so_many_restart_markers_missing_are_noticed(count: int) -> None:
    """After eight of them, the next has the number that was due."""
    whole = _large("a marker every few units")
    at = _markers(whole)
    for first in (0, 3, len(at) - 1 - count):
        with pytest.raises(DataError, match="cut off"):
            decode_picture(_without(whole, at[first], at[first + count]), "p")


def test_what_is_missing_between_two_restart_markers_is_noticed() -> None:
    whole = _large("a marker a row")
    begin, end = _markers(whole)[5:7]
    with pytest.raises(DataError, match="cut off"):
        decode_picture(_without(whole, (2 * begin + end) // 3, (begin + 2 * end) // 3), "p")


def test_a_restart_marker_more_than_is_needed_does_no_harm() -> None:
    whole = _large("a marker a row")
    last = len(_markers(whole))
    more = whole[:-2] + bytes([0xFF, 0xD0 + last % 8]) + whole[-2:]
    assert decode_picture(more, "p").tobytes() == decode_picture(whole, "p").tobytes()


@pytest.mark.parametrize("case", MARKED)
def test_with_restart_markers_a_picture_may_be_as_grey_as_what_is_missing(case: str) -> None:
    grey = Image.fromarray(np.full((450, 600, 3), 128, np.uint8))
    assert decode_picture(encoded(grey, "JPEG", **MARKED[case]), "p").size == (600, 450)


def _scans_say(data: bytes, said: bytes) -> bytes:
    """The JPEG, with these three bytes at the end of its scan's header: which coefficients, and how many bits."""
    begin = data.index(b"\xff\xda") + 2
    end = begin + int.from_bytes(data[begin : begin + 2])
    return data[: end - len(said)] + said + data[end:]


def _numbered(data: bytes, numbers: bytes) -> bytes:
    """The JPEG, its components numbered so in its frame's and its scan's header."""
    found = bytearray(data)
    frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    found[frame + 10 : frame + 10 + 3 * len(numbers) : 3] = numbers
    found[scan + 5 : scan + 5 + 2 * len(numbers) : 2] = numbers
    return bytes(found)


@pytest.mark.parametrize("said", [b"\0\0\0", b"\0\x3f\1", b"\1\x3f\0", b"\xff\xff\xff"], ids=bytes.hex)
@pytest.mark.parametrize("case", ["a marker a row", "without markers"])
def test_what_the_scan_of_a_picture_in_one_pass_says_of_its_coefficients_means_nothing(case: str, said: bytes) -> None:
    """Cameras that encode in hardware write noughts there."""
    whole = encoded(chart(600, 450), "JPEG", quality=95, **MARKED.get(case, {}))
    odd = _scans_say(whole, said)
    for decode in (decode_picture, decode_half):
        assert whole_of(decode(odd, "p")).tobytes() == whole_of(decode(whole, "p")).tobytes()
    assert not lacks_markers(odd)
    with pytest.raises(DataError, match="cut off"):
        decode_picture(_without(odd, len(odd) // 3, len(odd) // 2), "p")


@pytest.mark.parametrize("numbers", [b"\1\1\1", b"\0\0\0", b"\2\1\2"], ids=bytes.hex)
@pytest.mark.parametrize("case", ["a marker a row", "colours as fine as light"])
def test_components_may_have_one_number(case: str, numbers: bytes) -> None:
    whole = _large(case)
    odd = _numbered(whole, numbers)
    assert decode_picture(odd, "p").tobytes() == decode_picture(whole, "p").tobytes()
    at = _markers(odd)
    with pytest.raises(DataError, match="cut off"):
        decode_picture(_without(odd, at[3], at[4]), "p")


@pytest.mark.parametrize("way", ["height", "width"])
@pytest.mark.parametrize("case", MARKED)
def test_a_jpeg_of_no_height_or_width_is_no_picture(case: str, way: str) -> None:
    whole = bytearray(_large(case))
    at = re.search(rb"\xff[\xc0\xc2]", whole)
    assert at is not None
    size = at.end() + 3 + 2 * (way == "width")
    whole[size : size + 2] = b"\0\0"
    assert not lacks_markers(bytes(whole)), "what it lacks can't be told"
    with pytest.raises(DataError):
        decode_picture(bytes(whole), "p")
