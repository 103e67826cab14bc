"""A picture of planes: what it is judged by, and what is cut out of it, is as in all of it."""

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kardus.inference.planes import BT601, BT709, CODINGS, Coding, PlanarPicture, planes_size
from tests.cameras import chart

SIZE = (128, 96)


def _planar(coding: Coding, size: tuple[int, int] = SIZE) -> tuple[PlanarPicture, Image.Image]:
    """A chart's planes as FFmpeg makes them, and the chart as FFmpeg makes it of them."""
    frame = av.VideoFrame.from_ndarray(np.asarray(chart(*size)), "rgb24")
    space = Colorspace.ITU709 if coding.red == BT709[0] else Colorspace.ITU601
    levels = ColorRange.JPEG if coding.is_full else ColorRange.MPEG
    coded = frame.reformat(format="yuv420p", dst_colorspace=space, dst_color_range=levels)
    back = coded.reformat(format="rgb24", src_colorspace=space, src_color_range=levels)
    return PlanarPicture(coded.to_ndarray().tobytes(), size, coding), Image.fromarray(back.to_ndarray())


def _differ(one: Image.Image, other: Image.Image) -> int:
    return int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max())


@pytest.mark.parametrize("coding", CODINGS, ids=["601", "601 full", "709", "709 full"])
def test_colours_are_those_of_ffmpeg(coding: Coding) -> None:
    picture, expected = _planar(coding)
    assert picture.whole.size == picture.size == SIZE
    assert _differ(picture.whole, expected) <= 3
    assert picture.whole is picture.whole, "it is made once"


@given(st.integers(0, 127), st.integers(0, 95), st.integers(1, 128), st.integers(1, 96))
@settings(max_examples=30)
def test_a_part_is_that_of_the_whole(left: int, top: int, width: int, height: int) -> None:
    picture, _ = _planar(CODINGS[2])
    box = left, top, min(left + width, SIZE[0]), min(top + height, SIZE[1])
    part = picture.crop(box)
    assert part.tobytes() == picture.whole.crop(box).tobytes()


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
def test_it_is_reduced_as_the_whole_is(factor: int) -> None:
    picture, _ = _planar(CODINGS[2])
    small, expected = picture.reduced(factor), picture.whole.reduce(factor)
    assert small.size == expected.size
    away = np.abs(np.asarray(small, np.int16) - np.asarray(expected, np.int16))
    assert away.mean() < 2, "where colours are clipped, the mean of what isn't differs"


def test_its_green_at_half_the_size_is_that_of_the_whole() -> None:
    picture, _ = _planar(Coding(*BT601, is_full=True))
    green = picture.whole.reduce(2).getchannel(1)
    box = (5, 3, 41, 30)
    away = np.abs(picture.halved_greens([box])[0].astype(np.int16) - np.asarray(green.crop(box), np.int16))
    assert away.mean() < 2


def test_planes_take_half_of_what_rgb_takes() -> None:
    assert planes_size(*SIZE) == SIZE[0] * SIZE[1] * 3 / 2
