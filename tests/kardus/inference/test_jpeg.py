"""A JPEG that was cut off is none, whatever it holds; one that is whole is read, whatever its corners look like."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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
