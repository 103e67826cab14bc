"""Pictures are found in what cameras send as multipart, however it is split and whatever stands between them."""

import io
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edge_agent.camera.errors import PictureTooLargeError
from edge_agent.camera.http.multipart import MultipartPictures
from kardus.inference.jpeg import CUT_OFF
from tests.cameras import chart_jpeg, jpeg

KIND = "multipart/x-mixed-replace; boundary=frame"


def _with_thumbnail() -> bytes:
    """A picture with another in its EXIF block, end mark and all."""
    exif = b"Exif\0\0" + jpeg(9, 16, 16)
    whole = jpeg(200, 32, 32)
    return whole[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif + whole[2:]


def _progressive() -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(chart_jpeg())).save(buffer, "JPEG", progressive=True, restart_marker_blocks=2)
    return buffer.getvalue()


def _coded(form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(chart_jpeg())).save(buffer, form, **options)
    return buffer.getvalue()


OTHERS = {
    "PNG": _coded("PNG"),
    "PNG with a JPEG in it": _coded("PNG", exif=b"Exif\0\0" + jpeg(9, 16, 16)),
    "WebP": _coded("WEBP"),
    "WebP of odd length": _coded("WEBP", lossless=True),
    "BMP": _coded("BMP"),
}
PICTURES = [jpeg(30, 16, 16), jpeg(128, 24, 16), _with_thumbnail(), _progressive()]
PARTS = [
    *(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + picture + b"\r\n" for picture in PICTURES),
    b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + PICTURES[0][:300] + b"\r\n",
    b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + PICTURES[3][:-40] + b"\r\n",
    b"--other\r\nContent-Type: text/xml\r\n\r\n<--\xff-->\r\n",
    b"frame\r\n\r\n",
    b"\xff\xd8",
    b"\xff\xff\xd8\xff",
    b"x" * 5000,
]


def _pictures(data: bytes, cuts: list[int], kind: str = KIND) -> list[bytes | str]:
    parts = MultipartPictures(kind)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    found = [item for start, end in itertools.pairwise(edges) for item in parts.feed(data[start:end])]
    return found + parts.end()


@given(st.lists(st.sampled_from(PARTS), max_size=8), st.lists(st.integers(0, 60_000), max_size=40))
def test_any_split_of_the_bytes_gives_the_same_pictures(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    assert _pictures(data, cuts) == _pictures(data, [])


@settings(max_examples=15)
@given(st.lists(st.sampled_from(PARTS[:4]), min_size=1, max_size=3))
def test_byte_after_byte_gives_the_same_pictures(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert _pictures(data, list(range(len(data)))) == [PICTURES[PARTS.index(part)] for part in parts]


@given(st.binary(max_size=300), st.lists(st.integers(0, 2000), max_size=10))
def test_nonsense_is_no_picture_and_raises_nothing(data: bytes, cuts: list[int]) -> None:
    assert _pictures(data + PICTURES[0][:40] + data, cuts) in ([], [CUT_OFF], [CUT_OFF, CUT_OFF])


BETWEEN = {
    "as it should be": (KIND, b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"),
    "a wrong length": (KIND, b"\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 10\r\n\r\n"),
    "a length beyond": (KIND, b"\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 99999\r\n\r\n"),
    "image/jpg": (KIND, b"\r\n--frame\r\nContent-Type: image/jpg\r\n\r\n"),
    "no part's type": (KIND, b"\r\n--frame\r\n\r\n"),
    "no headers' end": (KIND, b"\r\n--frame\r\n"),
    "no type": ("", b"\r\n--frame\r\n\r\n"),
    "quoted": ('multipart/x-mixed-replace;boundary="--frame"', b"\n--frame\n\n"),
    "without dashes": (KIND, b"\r\nframe\r\n\r\n"),
    "more dashes": ("multipart/x-mixed-replace; boundary=--frame", b"\r\n----frame\r\n\r\n"),
    "another": (KIND, b"\r\n--myboundary\r\nContent-Type: image/jpeg\r\n\r\n"),
    "nothing": ("image/jpeg", b""),
}


@pytest.mark.parametrize("case", BETWEEN)
def test_whatever_stands_between_pictures_they_are_found(case: str) -> None:
    kind, between = BETWEEN[case]
    shown = [jpeg(shade) for shade in (20, 90, 180)]
    data = b"hello\r\n" + b"".join(between + picture for picture in shown) + b"\r\n--frame--\r\n"
    assert _pictures(data, [], kind) == shown


@pytest.mark.parametrize("case", [case for case in BETWEEN if case != "nothing"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.98])
def test_a_picture_that_was_cut_off_is_a_reason_and_costs_no_other(case: str, share: float) -> None:
    kind, between = BETWEEN[case]
    whole = chart_jpeg()
    parts = [whole, whole[: int(len(whole) * share)], whole]
    assert _pictures(b"".join(between + part for part in parts), [], kind) == [whole, CUT_OFF, whole]


@pytest.mark.parametrize("form", OTHERS)
@pytest.mark.parametrize("case", BETWEEN)
def test_a_picture_that_is_no_jpeg_is_found_by_its_own_length(case: str, form: str) -> None:
    (kind, between), picture = BETWEEN[case], OTHERS[form]
    shown = [picture, jpeg(90), picture, picture]
    data = b"hello\r\n" + b"".join(between + one for one in shown) + b"\r\n--frame--\r\n"
    step = max(1, len(data) // 50)
    assert _pictures(data, [], kind) == _pictures(data, list(range(0, len(data), step)), kind) == shown


@pytest.mark.parametrize("form", OTHERS)
@pytest.mark.parametrize("case", BETWEEN)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.98])
def test_one_that_is_no_jpeg_and_was_cut_off_is_a_reason_and_costs_no_other(case: str, form: str, share: float) -> None:
    (kind, between), whole = BETWEEN[case], OTHERS[form]
    parts = [whole, whole[: int(len(whole) * share)], whole]
    assert _pictures(b"".join(between + part for part in parts), [], kind) == [whole, CUT_OFF, whole]


def test_a_bmp_that_says_nothing_of_its_length_holds_up_nothing() -> None:
    picture = OTHERS["BMP"]
    data = picture[:2] + bytes(4) + picture[6:]
    assert _pictures(BETWEEN["as it should be"][1] + data + PARTS[0], [])[-1] == PICTURES[0]


def test_a_whole_picture_is_there_with_its_last_byte() -> None:
    parts = MultipartPictures(KIND)
    assert parts.feed(PARTS[0][:-3]) == []
    assert parts.feed(PARTS[0][-3:-2]) == [PICTURES[0]]


@pytest.mark.parametrize("step", [7, 1000, 100_000])
def test_a_picture_without_end_is_refused(step: int) -> None:
    parts = MultipartPictures(KIND, max_bytes=20_000)
    data = PICTURES[0][:-2] + b"x" * 50_000
    chunks = (data[start : start + step] for start in range(0, len(data), step))
    with pytest.raises(PictureTooLargeError, match="more than 20000 bytes"):
        list(map(parts.feed, chunks))


def test_what_lies_between_pictures_is_not_kept() -> None:
    parts = MultipartPictures(KIND)
    for _ in range(100):
        parts.feed(b"no picture here " * 1000)
    assert len(parts._buffer) < 20_000


class _LookedAt(bytearray):
    """Counts the parts that are taken out of it."""

    taken = 0

    def __getitem__(self, part: Any) -> Any:
        _LookedAt.taken += 1
        return super().__getitem__(part)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_picture_of_many_parts_is_gone_through_once_however_it_was_split(form: str) -> None:
    part = bytes(4) + b"tEXt" + bytes(4) if form == "PNG" else b"\xff\xfe\0\2"
    parts = MultipartPictures(KIND)
    parts._buffer = _LookedAt()
    _LookedAt.taken = 0
    begins = OTHERS["PNG"][:8] if form == "PNG" else b"\xff\xd8"
    assert [parts.feed(data) for data in [begins, *[part * 10] * 100]] == [[]] * 101
    assert _LookedAt.taken < 3 * 10 * 100
