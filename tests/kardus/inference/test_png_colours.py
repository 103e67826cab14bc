"""What a PNG says of its own colours, without a profile, is heeded."""

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kardus.inference.preprocess import read_converted
from kardus.inference.srgb import SrgbPicture
from kardus.support.errors import DataError
from tests.pictures import DISPLAY_P3, GREY_18, SCENE, by_littlecms, encoded, png_chunk


def _read(folder: Path, data: bytes) -> SrgbPicture:
    path = folder / "photo"
    path.write_bytes(data)
    return read_converted(path)


def _pixels(image: Image.Image) -> NDArray[np.int64]:
    return np.asarray(image.convert("RGB"), dtype=np.int64)


def _same(one: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(_pixels(one), _pixels(other))


def _png(picture: Image.Image, *said: tuple[bytes, bytes]) -> bytes:
    """With these chunks before its pixels."""
    data = encoded(picture, "PNG")
    return data[:33] + b"".join(png_chunk(*one) for one in said) + data[33:]


def _points(*values: float) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values))


SRGB_POINTS = _points(0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
P3_POINTS = _points(0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
GAMMA = {gamma: (b"gAMA", struct.pack(">I", gamma)) for gamma in (45_455, 100_000, 55_556)}


def test_a_png_s_own_gamma_is_heeded(tmp_path: Path) -> None:
    """A renderer's picture, whose levels are those of light."""
    light = ((np.asarray(SCENE) / 255) ** 2.2 * 255).round().astype(np.uint8)
    read = _read(tmp_path, _png(Image.fromarray(light), GAMMA[100_000]))
    assert np.abs(_pixels(read.picture) - _pixels(SCENE)).mean() < 4
    assert np.abs(light.astype(int) - _pixels(SCENE)).mean() > 30, "or the test shows nothing"
    assert read.changes == ("colours of 'PNG of gamma 1' are brought to sRGB",)


def test_a_png_s_own_primaries_are_heeded(tmp_path: Path) -> None:
    read = _read(tmp_path, _png(SCENE, GAMMA[45_455], P3_POINTS))
    wanted = by_littlecms(SCENE, DISPLAY_P3)
    assert np.abs(_pixels(read.picture) - _pixels(wanted)).max() <= 2
    assert np.abs(_pixels(SCENE) - _pixels(wanted)).max() > 10, "or the test shows nothing"


@pytest.mark.parametrize(
    "said",
    [
        (GAMMA[45_455],),
        (GAMMA[45_455], SRGB_POINTS),
        ((b"sRGB", b"\0"), GAMMA[100_000]),
        ((b"gAMA", bytes(4)),),
        (GAMMA[45_455], (b"cHRM", bytes(32))),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_a_png_says_of_srgb_or_wrongly_changes_nothing(
    tmp_path: Path, said: tuple[tuple[bytes, bytes], ...]
) -> None:
    read = _read(tmp_path, _png(SCENE, *said))
    assert _same(read.picture, SCENE)
    assert read.changes == ()


def _code_points(*points: int) -> tuple[bytes, bytes]:
    return b"cICP", bytes(points)


def test_a_png_s_code_points_count_before_all_else_that_it_says(tmp_path: Path) -> None:
    p3 = (_code_points(12, 13, 0, 1), (b"sRGB", b"\0"), GAMMA[100_000], SRGB_POINTS)
    read = _read(tmp_path, _png(SCENE, (b"tEXt", b"a\0comment"), *p3))
    assert np.abs(_pixels(read.picture) - _pixels(by_littlecms(SCENE, DISPLAY_P3))).max() <= 2
    assert len(read.changes) == 1
    assert _same(_read(tmp_path, _png(SCENE, _code_points(1, 13, 0, 1), GAMMA[100_000])).picture, SCENE)


@pytest.mark.parametrize("points", [(2, 2, 0, 1), (12, 13, 0, 0), (12, 13, 1, 1), (12, 13), (99, 13, 0, 1)])
def test_code_points_that_say_nothing_of_a_picture_s_colours_change_nothing(
    tmp_path: Path, points: tuple[int, ...]
) -> None:
    assert _same(_read(tmp_path, _png(SCENE, _code_points(*points))).picture, SCENE)


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_a_picture_of_high_dynamic_range_is_named(tmp_path: Path, transfer: int, name: str) -> None:
    said = rf"photo: a picture of high dynamic range \({name}\): save it as an ordinary one \(SDR, sRGB\)"
    with pytest.raises(DataError, match=said):
        _read(tmp_path, _png(SCENE, _code_points(9, transfer, 0, 1)))


def test_a_grey_png_s_gamma_is_heeded(tmp_path: Path) -> None:
    grey = SCENE.convert("L")
    read = _read(tmp_path, _png(grey, GAMMA[55_556]))
    assert np.abs(_pixels(read.picture) - _pixels(by_littlecms(grey, GREY_18))).max() <= 2
