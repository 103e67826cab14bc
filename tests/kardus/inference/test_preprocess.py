"""Crops are upright, square and not aliased, and a photo that can't be read is a DataError that names it."""

import io
import random
import resource
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from kardus.inference.geometry import Float64Array, homography, rectangle
from kardus.inference.preprocess import Pixels, cut_out, decode_picture, read_photo, rectify, rectify_whole, warp_of
from kardus.support.errors import DataError
from tests.edge_agent.making import damaged

PICTURE: Pixels = np.random.default_rng(3).integers(0, 256, (240, 320, 3), dtype=np.uint8)


@st.composite
def quads(draw: st.DrawFn) -> Float64Array:
    """Convex clockwise quadrilaterals inside PICTURE, from 10 to 200 pixels wide."""
    pulls = np.array(draw(st.lists(st.floats(-0.2, 0.2), min_size=8, max_size=8))).reshape(4, 2)
    side = draw(st.floats(10, 140))
    corners: Float64Array = (rectangle(0, 0, 1, 1) + pulls) * side
    corners -= corners.min(axis=0)
    room = np.array([320, 240]) - corners.max(axis=0)
    corners += room * [draw(st.floats(0, 1)), draw(st.floats(0, 1))]
    return corners


def _encoded(kind: str, orientation: int | None = None) -> bytes:
    image, buffer, exif = Image.fromarray(PICTURE[:24, :32]), io.BytesIO(), Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    image.save(buffer, kind, **({"exif": exif} if orientation else {}))
    return buffer.getvalue()


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png_header(width: int, height: int) -> bytes:
    header = _png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = _png_chunk(b"IDAT", zlib.compress(b"\0" * 100)) + _png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + body


def _complaint(path: Path) -> str:
    """What is said of the photo; empty if it can be read."""
    try:
        pixels = read_photo(path)
    except DataError as error:
        return str(error)
    assert pixels.ndim == 3
    assert pixels.dtype == np.uint8
    return ""


@given(factor=st.integers(1, 6), left=st.integers(0, 60), top=st.integers(0, 40), size=st.sampled_from([16, 24, 32]))
def test_an_upright_square_of_a_whole_scale_is_just_reduced(factor: int, left: int, top: int, size: int) -> None:
    side = factor * size
    cut = PICTURE[top : top + side, left : left + side].astype(np.float64)
    means = cut.reshape(size, factor, size, factor, 3).mean(axis=(1, 3))
    crop = rectify(PICTURE, rectangle(left, top, left + side, top + side), size)
    assert np.abs(crop - means).max() <= 1


@settings(deadline=None)
@given(quads(), st.sampled_from([16, 48, 128]))
def test_any_convex_quadrilateral_gives_a_square_of_the_size_asked_for(corners: Float64Array, size: int) -> None:
    crop = rectify(PICTURE, corners, size)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8


def test_the_first_corner_comes_to_the_top_left() -> None:
    picture = np.zeros((100, 100, 3), dtype=np.uint8)
    picture[:50, :50], picture[:50, 50:], picture[50:, 50:] = (200, 0, 0), (0, 200, 0), (0, 0, 200)
    turned = rectify(picture, np.roll(rectangle(0, 0, 100, 100), -1, axis=0), 40)
    corners = [turned[y, x].tolist() for y, x in ((5, 5), (5, 35), (35, 35), (35, 5))]
    assert corners == [[0, 200, 0], [0, 0, 200], [0, 0, 0], [200, 0, 0]]


def test_a_slanted_carton_comes_out_flat() -> None:
    flat = np.zeros((80, 80, 3), dtype=np.uint8)
    flat[:, 40:] = 220
    corners = np.array([[60.0, 40], [200, 60], [190, 190], [50, 170]])
    back = homography(corners, rectangle(0, 0, 80, 80)).reshape(9)[:8]
    scene = Image.fromarray(flat).transform((320, 240), Image.Transform.PERSPECTIVE, tuple(map(float, back)))
    crop = rectify(np.asarray(scene), corners, 64)
    assert crop[4:-4, 4:28].max() <= 10
    assert crop[4:-4, 36:-4].min() >= 210


def test_fine_stripes_become_grey_and_not_a_pattern() -> None:
    stripes = np.zeros((320, 320, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    crop = rectify(stripes, rectangle(3, 5, 317, 313), 48)
    assert np.abs(crop.astype(int) - 127).max() < 30


@pytest.mark.parametrize("shape", [(64, 128), (128, 64), (64, 192), (192, 64)])
def test_stripes_across_the_longer_side_become_grey_too(shape: tuple[int, int]) -> None:
    height, width = shape
    period = max(shape) // min(shape)  # columns or rows of it in one pixel of the result
    along = np.arange(max(shape)) % period == 0
    lines = np.broadcast_to(along if width > height else along[:, None], shape)
    picture = np.repeat((lines * 240).astype(np.uint8)[..., None], 3, axis=2)
    assert np.ptp(rectify_whole(picture, 64)) <= 2


def test_a_trapezoid_is_reduced_by_its_shorter_sides() -> None:
    wide_above = np.array([[0, 0], [300, 0], [160, 100], [100, 100]], float)
    assert warp_of(wide_above, 320, 240, 30).reduction == (2, 4)
    wide_below = np.array([[100, 0], [160, 0], [300, 100], [0, 100]], float)
    assert warp_of(wide_below, 320, 240, 30).reduction == (2, 4)
    high_left = np.array([[0, 0], [100, 100], [100, 160], [0, 230]], float)
    assert warp_of(high_left, 320, 240, 30).reduction == (4, 2)


def test_what_lies_outside_the_corners_changes_nothing() -> None:
    other = np.zeros_like(PICTURE)
    other[40:120, 60:140] = PICTURE[40:120, 60:140]
    corners = rectangle(60, 40, 140, 120)
    assert np.array_equal(rectify(other, corners, 32), rectify(PICTURE, corners, 32))


@given(quads())
@settings(deadline=None)
def test_a_slot_is_cut_out_of_pillow_s_picture_as_out_of_pixels(corners: Float64Array) -> None:
    assert np.array_equal(cut_out(Image.fromarray(PICTURE), corners, 32), rectify(PICTURE, corners, 32))


def test_nothing_is_left_of_what_a_camera_writes_beside_its_picture() -> None:
    comment = b"serial number 4711"
    jpeg, again = io.BytesIO(), io.BytesIO()
    Image.fromarray(PICTURE).save(jpeg, "JPEG", comment=comment)
    assert comment in jpeg.getvalue()
    decode_picture(jpeg.getvalue(), "camera").save(again, "JPEG")
    assert comment not in again.getvalue()


def test_a_whole_photo_is_cut_at_its_own_corners() -> None:
    assert np.array_equal(rectify_whole(PICTURE, 32), rectify(PICTURE, rectangle(0, 0, 320, 240), 32))


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_a_photo_is_read_pixel_by_pixel(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "p"
    path.write_bytes(_encoded(kind))
    assert np.array_equal(read_photo(path), PICTURE[:24, :32])


def test_grey_and_transparent_photos_become_rgb(tmp_path: Path) -> None:
    for mode in ("L", "RGBA", "P", "1"):
        Image.fromarray(PICTURE[:24, :32]).convert(mode).save(tmp_path / "p.png")
        assert read_photo(tmp_path / "p.png").shape == (24, 32, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright_by_its_exif_orientation(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "p.jpg"
    path.write_bytes(_encoded("JPEG", orientation))
    with Image.open(path) as image:
        assert np.array_equal(read_photo(path), np.asarray(ImageOps.exif_transpose(image)))


def test_a_missing_photo_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jpg: no such picture$"):
        read_photo(tmp_path / "gone.jpg")


@pytest.mark.parametrize(
    "content",
    [b"", b"not a photo", b"GIF89a" + b"\0" * 50, _encoded("JPEG")[:-200], _encoded("PNG")[:-200]],
    ids=["empty", "text", "gif", "cut jpeg", "cut png"],
)
def test_what_is_no_whole_photo_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.jpg: not a readable picture"):
        read_photo(path)


def test_a_folder_is_no_photo(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a folder, and no picture"):
        read_photo(tmp_path)


@pytest.mark.parametrize("side", [8001, 10_000, 60_000])
def test_an_oversized_photo_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(_png_header(side, side))
    with pytest.raises(DataError, match=rf"huge\.png: {side} x {side} pixels is too large"):
        read_photo(path)


def test_a_bomb_that_could_be_decoded_is_not() -> None:
    """FAULTS 18: 60,000 x 60,000 in half a megabyte. A whole PNG: only its size says that it must not be decoded."""
    rows, packer = b"\0" * 7501, zlib.compressobj(1)
    data = b"".join(packer.compress(rows * 100) for _ in range(600)) + packer.flush()
    header = _png_chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + _png_chunk(b"IDAT", data) + _png_chunk(b"IEND", b"")
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match="60000 x 60000 pixels is too large"):
        decode_picture(bomb, "camera")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 100_000, "3,600,000 would be needed"


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_ten_thousand_damaged_pictures_of_a_camera_are_read_or_named(kind: str) -> None:
    """FAULTS 17: 5,000 of each kind; no other exception, and no picture that isn't one."""
    whole, rng, refused = _encoded(kind), random.Random(17), 0
    for _ in range(5000):
        try:
            pixels = np.asarray(decode_picture(damaged(whole, rng), "camera"))
        except DataError:
            refused += 1
        else:
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3
    assert refused > 1000


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")  # Pillow's own remarks on broken EXIF
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_damaged_photo_is_read_or_named(tmp_path: Path, kind: str) -> None:
    path, whole, rng, refused = tmp_path / "p.jpg", _encoded(kind, orientation=6), random.Random(7), 0
    for _ in range(400):
        path.write_bytes(damaged(whole, rng))
        complaint = _complaint(path)
        refused += bool(complaint)
        assert not complaint or complaint.startswith(f"{path}: ")
    assert refused > 100
