"""A JPEG decoded by half: what it is judged by is there, and all of it when it is asked for."""

import io
import random
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kardus.inference.geometry import reduction
from kardus.inference.half_decoded import HalfSizePicture, is_judged_by_half
from kardus.inference.part_decoded import BrokenPictureError, whole_of
from kardus.inference.preprocess import Pixels, decode_half, decode_picture, read_half
from kardus.support.errors import DataError
from tests.edge_agent.making import damaged


def _scene(width: int, height: int) -> Image.Image:
    """Soft forms in colours, and hard edges."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.stack([x * 255 // width, y * 255 // height, ((x // 40 + y // 40) % 2) * 160 + 40], axis=2)
    return Image.fromarray(pixels.astype(np.uint8))


def _jpeg(width: int, height: int, **options: object) -> bytes:
    buffer = io.BytesIO()
    _scene(width, height).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def _half(data: bytes) -> HalfSizePicture:
    decoded = decode_half(data, "a picture")
    assert isinstance(decoded, HalfSizePicture)
    return decoded


def _differ(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).mean())


@pytest.mark.parametrize(
    ("width", "height"),
    [(1920, 1080), (1921, 1083), (960, 541), (3840, 2160), (1000, 2), (1280, 720), (1279, 721), (2592, 480)],
)
def test_half_is_as_the_whole_picture_reduced_and_the_whole_is_the_same(width: int, height: int) -> None:
    data = _jpeg(width, height)
    decoded, whole = _half(data), decode_picture(data, "a picture")
    assert decoded.size == whole.size == (width, height)
    assert decoded.half.size == ((width + 1) // 2, (height + 1) // 2)
    assert _differ(decoded.half, whole.reduce(2)) < 3
    small = decoded.reduced(reduction(width))
    assert small.size == whole.reduce(reduction(width)).size
    assert _differ(small, whole.reduce(reduction(width))) < 2
    assert decoded.crop((3, 1, 9, 2)).tobytes() == whole.crop((3, 1, 9, 2)).tobytes()
    assert decoded.whole.tobytes() == whole_of(decoded).tobytes() == whole.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_half_of_a_picture_that_was_taken_on_its_side_is_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    width, height = (1080, 1920) if orientation >= 5 else (1920, 1080)
    data = _jpeg(width, height, exif=exif)
    decoded = _half(data)
    assert decoded.size == decoded.whole.size == (1920, 1080)
    assert _differ(decoded.half, decoded.whole.reduce(2)) < 3


@pytest.mark.parametrize(("width", "height"), [(320, 240), (640, 480), (719, 480), (1000, 1)])
def test_what_cannot_be_judged_by_half_is_decoded_whole(width: int, height: int) -> None:
    assert not is_judged_by_half(width) or height == 1
    data = _jpeg(width, height)
    decoded = decode_half(data, "a picture")
    assert isinstance(decoded, Image.Image)
    assert decoded.tobytes() == decode_picture(data, "a picture").tobytes()


def test_a_small_picture_is_not_made_smaller() -> None:
    assert [reduction(width) for width in (1, 320, 640, 1280, 1920, 3840)] == [1, 1, 1, 3, 4, 8]


def test_what_is_no_jpeg_is_decoded_whole(tmp_path: Path) -> None:
    _scene(1920, 1080).save(tmp_path / "p.png")
    assert isinstance(read_half(tmp_path / "p.png"), Image.Image)


def test_a_file_that_cannot_be_read_is_named_as_ever(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    for name, said in (("gone.jpg", "no such picture"), ("bad.jpg", "not a readable picture")):
        with pytest.raises(DataError, match=said):
            read_half(tmp_path / name)


def _tried(data: bytes, *, by_half: bool) -> Pixels | None:
    try:
        return np.asarray(whole_of(decode_half(data, "p") if by_half else decode_picture(data, "p")))
    except BrokenPictureError:
        raise AssertionError("half of it was whole") from None
    except DataError:
        return None


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
@pytest.mark.parametrize("progressive", [False, True])
def test_a_damaged_picture_is_refused_by_half_where_it_is_refused_whole(*, progressive: bool) -> None:
    """Both decode the same code: never is half of a picture believed whose whole can't be had."""
    whole, rng, refused = _jpeg(800, 96, progressive=progressive), random.Random(4), 0
    for _ in range(150):
        data = damaged(whole, rng)
        by_half, all_of_it = _tried(data, by_half=True), _tried(data, by_half=False)
        assert (by_half is None) == (all_of_it is None)
        refused += by_half is None
        if by_half is not None and all_of_it is not None:
            assert np.array_equal(by_half, all_of_it)
    assert refused > 20


def test_the_whole_picture_is_decoded_once_whoever_asks() -> None:
    asked: list[int] = []
    begun = threading.Barrier(4)

    def decode() -> Image.Image:
        asked.append(1)
        return _scene(64, 48)

    decoded, found = HalfSizePicture(_scene(32, 24), (64, 48), decode), list[Image.Image]()

    def ask() -> None:
        begun.wait()
        found.append(decoded.whole)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1
    assert all(one is found[0] for one in found)


def test_a_whole_that_cannot_be_decoded_after_all_says_so() -> None:
    def decode() -> Image.Image:
        raise DataError("http://camera/now.jpg: not a readable picture")

    with pytest.raises(BrokenPictureError, match=r"now\.jpg: not a readable picture: check what sends the picture"):
        _ = HalfSizePicture(_scene(32, 24), (64, 48), decode).whole


def test_parts_of_its_green_are_those_of_the_half() -> None:
    half = _half(_jpeg(1920, 1080))
    boxes = [(0, 0, 48, 48), (900, 480, 960, 540), (101, 57, 149, 105)]
    for box, green in zip(boxes, half.halved_greens(boxes), strict=True):
        assert np.array_equal(green, np.asarray(half.half.crop(box))[..., 1])
