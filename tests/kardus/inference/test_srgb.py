"""Whatever its depth, colours and transparency, a picture is read as 8-bit sRGB, or named with the remedy."""

import io
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from kardus.inference.colour_profiles import adobe_rgb, read_profile
from kardus.inference.preprocess import decode_picture, read_converted, read_photo
from kardus.inference.srgb import CMYK, LAB, SEVERAL, TRANSPARENT, UNFIT_PROFILE, SrgbPicture
from kardus.support.errors import DataError
from tests.edge_agent.making import damaged
from tests.pictures import DISPLAY_P3, GREY_18, PRO_PHOTO, SCENE, SRGB, by_littlecms, cmyk_profile, encoded, png_chunk

GREY_16 = np.linspace(0, 65_535, 24 * 32).astype(np.uint16).reshape(24, 32)
SIXTEEN = "16 bits a channel are brought to 8"


def _read(folder: Path, data: bytes) -> SrgbPicture:
    path = folder / "photo"
    path.write_bytes(data)
    return read_converted(path)


def _pixels(image: Image.Image) -> NDArray[np.int64]:
    return np.asarray(image.convert("RGB"), dtype=np.int64)


def _same(one: Image.Image, other: Image.Image) -> bool:
    return np.array_equal(_pixels(one), _pixels(other))


def _rgb_16(kind: str, values: NDArray[np.uint16]) -> bytes:
    """A 16-bit PNG or TIFF with colours (height, width, 3), which Pillow reads and doesn't write."""
    height, width, _ = values.shape
    if kind == "TIFF":
        pixels = values.astype("<u2").tobytes()
        bits = 8 + 2 + 10 * 12 + 4
        tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, bits), (259, 3, 1, 1), (262, 3, 1, 2)]
        tags += [(273, 4, 1, bits + 6), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, len(pixels)), (284, 3, 1, 1)]
        table = b"".join(struct.pack("<HHII", *tag) for tag in tags)
        return b"II*\0" + struct.pack("<IH", 8, 10) + table + bytes(4) + struct.pack("<3H", 16, 16, 16) + pixels
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF"])
@pytest.mark.parametrize("profile", [None, SRGB])
def test_an_ordinary_picture_keeps_every_bit(tmp_path: Path, kind: str, profile: bytes | None) -> None:
    data = encoded(SCENE, kind, **({"icc_profile": profile} if profile and kind != "BMP" else {}))
    with Image.open(io.BytesIO(data)) as plain:
        assert _same(_read(tmp_path, data).picture, plain)
    assert _read(tmp_path, data) == SrgbPicture(_read(tmp_path, data).picture)


def test_pictures_without_a_profile_load_no_colour_management(tmp_path: Path) -> None:
    (tmp_path / "p.jpg").write_bytes(encoded(SCENE, "JPEG"))
    code = "import sys, pathlib; from kardus.inference.preprocess import read_photo"
    code += "; read_photo(pathlib.Path(sys.argv[1])); sys.exit('PIL.ImageCms' in sys.modules)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "p.jpg")], check=True)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_are_scaled(tmp_path: Path, kind: str) -> None:
    read = _read(tmp_path, encoded(Image.fromarray(GREY_16), kind))
    assert np.abs(_pixels(read.picture)[..., 0] - GREY_16 / 257).max() <= 0.51
    assert read.changes == (SIXTEEN,)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_colour_are_scaled_and_said(tmp_path: Path, kind: str) -> None:
    colours = np.stack([GREY_16, GREY_16[::-1], GREY_16 // 2], axis=-1)
    read = _read(tmp_path, _rgb_16(kind, colours))
    assert np.abs(_pixels(read.picture) - colours / 257).max() <= 1
    assert read.changes == (SIXTEEN,)


@pytest.mark.parametrize("bits", [8, 16])
def test_channels_that_lie_apart_are_read_in_8_bits_and_named_in_more(tmp_path: Path, bits: int) -> None:
    """Pillow would take half of each plane for the whole of it."""
    colours = np.stack([GREY_16, GREY_16[::-1], GREY_16 // 2], axis=-1)
    data = _planes((colours >> 16 - bits).astype(f"<u{bits // 8}"), bits)
    if bits == 8:
        assert np.array_equal(_pixels(_read(tmp_path, data).picture), colours >> 8)
        return
    with pytest.raises(DataError, match=r"its channels lie apart, with more than 8 bits each: save it with 8 bits"):
        _read(tmp_path, data)


def _planes(values: NDArray[Any], bits: int) -> bytes:
    """A TIFF that holds one channel after another."""
    height, width, _ = values.shape
    size = values[..., 0].nbytes
    ends = 8 + 2 + 10 * 12 + 4
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, ends), (259, 3, 1, 1), (262, 3, 1, 2)]
    tags += [(273, 4, 3, ends + 6), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 3, ends + 18), (284, 3, 1, 2)]
    table = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    begins = [ends + 30 + plane * size for plane in range(3)]
    lists = struct.pack("<3H", bits, bits, bits) + struct.pack("<6I", *begins, size, size, size)
    pixels = b"".join(values[..., plane].tobytes() for plane in range(3))
    return b"II*\0" + struct.pack("<IH", 8, 10) + table + bytes(4) + lists + pixels


def test_white_may_be_zero_in_a_tiff(tmp_path: Path) -> None:
    read = _read(tmp_path, encoded(Image.fromarray(GREY_16), "TIFF", tiffinfo={262: 0}))
    assert np.abs(_pixels(read.picture)[..., 0] - (255 - GREY_16 / 257)).max() <= 0.51


@pytest.mark.parametrize("colours", [False, True])
def test_twelve_bits_in_sixteen_are_named_and_not_read_as_black(tmp_path: Path, colours: bool) -> None:  # noqa: FBT001
    few = GREY_16 // 16
    data = _rgb_16("PNG", np.stack([few] * 3, axis=-1)) if colours else encoded(Image.fromarray(few), "PNG")
    with pytest.raises(DataError, match=r"photo: its 16 bits are hardly used.*save it with their whole range"):
        _read(tmp_path, data)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_brightness_without_a_known_range_is_named(tmp_path: Path, kind: type) -> None:
    with pytest.raises(DataError, match=r"photo: its brightness has 32 bits or a sign: save it with 8 or 16 bits"):
        _read(tmp_path, encoded(Image.fromarray(GREY_16.astype(kind)), "TIFF"))


@pytest.mark.parametrize("profile", [DISPLAY_P3, PRO_PHOTO], ids=["Display P3", "ProPhoto RGB"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_profile_s_colours_are_brought_to_srgb(
    tmp_path: Path, kind: str, profile: bytes, request: pytest.FixtureRequest
) -> None:
    data = encoded(SCENE, kind, icc_profile=profile)
    with Image.open(io.BytesIO(data)) as stored:
        wanted = by_littlecms(stored.convert("RGB"), profile)
        assert np.abs(_pixels(wanted) - _pixels(stored)).max() > 10, "or the test shows nothing"
    read = _read(tmp_path, data)
    assert _same(read.picture, wanted)
    name = request.node.callspec.id.partition("-")[2]
    assert read.changes == (f"colours of '{name}' are brought to sRGB",)


def test_adobe_rgb_comes_out_as_its_definition_has_it(tmp_path: Path) -> None:
    """By the formulas of the two standards, and no library."""
    value = np.array([120, 160, 110])
    to_xyz = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    to_srgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    light = to_srgb @ to_xyz @ (value / 255) ** (563 / 256)
    wanted = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0xA001] = 0xFFFF
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    picture = Image.new("RGB", (8, 8), tuple(value.tolist()))
    read = _read(tmp_path, encoded(picture, "PNG", exif=exif))  # as cameras name it, without the profile itself
    assert read.changes == ("colours of 'Adobe RGB (1998)' are brought to sRGB",)
    assert np.abs(_pixels(read.picture)[0, 0] - wanted).max() <= 1
    assert np.abs(wanted - value).max() > 10
    assert adobe_rgb().fits


def test_an_exif_of_srgb_changes_nothing(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(0x8769)[0xA001] = 1
    assert _read(tmp_path, encoded(SCENE, "JPEG", exif=exif)).changes == ()


def test_lab_is_brought_to_srgb_and_said(tmp_path: Path) -> None:
    to_lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(SCENE, *to_lab, outputMode="LAB")
    assert lab is not None
    read = _read(tmp_path, encoded(lab, "TIFF"))
    assert np.abs(_pixels(read.picture) - _pixels(SCENE)).mean() < 3
    assert (read.changes, read.doubts) == ((LAB,), ())


def test_a_grey_picture_may_have_a_profile_of_grey_or_of_colours(tmp_path: Path) -> None:
    grey = SCENE.convert("L")
    read = _read(tmp_path, encoded(grey, "PNG", icc_profile=GREY_18))
    assert _same(read.picture, by_littlecms(grey, GREY_18))
    assert read.changes == ("colours of 'Gray Gamma 1.8' are brought to sRGB",)
    same = _read(tmp_path, encoded(grey, "JPEG", icc_profile=SRGB, quality=100, subsampling=0))
    assert (same.changes, same.doubts) == ((), ())


def test_cmyk_follows_its_profile_and_is_said_to_be_rough_without(tmp_path: Path) -> None:
    inks = SCENE.convert("CMYK")
    profile = cmyk_profile()
    data = encoded(inks, "JPEG", icc_profile=profile, quality=100)  # Adobe's way: inverted
    with Image.open(io.BytesIO(data)) as stored:
        wanted = by_littlecms(stored, profile)
        naive = stored.convert("RGB")
    read = _read(tmp_path, data)
    assert _same(read.picture, wanted)
    assert np.abs(_pixels(wanted) - _pixels(naive)).max() > 10
    assert np.abs(_pixels(naive) - _pixels(SCENE)).mean() < 5, "not inverted"
    rough = _read(tmp_path, encoded(inks, "JPEG", quality=100))
    assert rough.changes == (CMYK,)
    assert _same(rough.picture, naive)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "L", "RGB"])
def test_what_is_transparent_lies_on_white(tmp_path: Path, mode: str) -> None:
    """In every way a PNG has for it, black would come out where the pixel holds black."""
    alpha = Image.fromarray(np.repeat(np.array([0, 255], np.uint8), 16)[None].repeat(24, axis=0))
    picture = Image.fromarray(np.full((24, 32, 3), 90, np.uint8))
    picture.paste((0, 0, 0), (0, 0, 16, 24))
    options = {}
    if mode in ("P", "L", "RGB"):
        picture = picture.quantize(4) if mode == "P" else picture.convert(mode)
        options = {"transparency": picture.getpixel((0, 0)) if mode != "RGB" else (0, 0, 0)}
    else:
        picture = picture.convert(mode.removesuffix("A") if mode != "PA" else "RGB")
        picture.putalpha(alpha)
    read = _read(tmp_path, encoded(picture.convert("RGBA") if mode == "PA" else picture, "PNG", **options))
    assert _pixels(read.picture)[:, :16].min() == 255
    assert set(_pixels(read.picture)[:, 16:].ravel()) == {90}
    assert read.changes == (TRANSPARENT,)


def test_half_of_transparent_is_half_of_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (8, 8), (100, 0, 200, 128))
    picture.putpixel((0, 0), (100, 0, 200, 255))
    for kind in ("PNG", "WEBP", "TIFF"):
        read = _read(tmp_path, encoded(picture, kind, **({"lossless": True} if kind == "WEBP" else {})))
        assert np.abs(_pixels(read.picture)[4, 4] - [177, 127, 227]).max() <= 1, kind


def test_sixteen_bits_with_a_transparent_grey_lie_on_white(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(GREY_16), "PNG", transparency=int(GREY_16[0, 5]))
    read = _read(tmp_path, data)
    assert _pixels(read.picture)[0, 5].tolist() == [255, 255, 255]
    assert _pixels(read.picture)[0, 6, 0] < 5


def test_an_alpha_that_hides_nothing_changes_nothing_and_one_that_hides_all_is_named(tmp_path: Path) -> None:
    whole = SCENE.copy()
    whole.putalpha(255)
    read = _read(tmp_path, encoded(whole, "PNG"))
    assert _same(read.picture, SCENE)
    assert read.changes == ()
    whole.putalpha(0)
    with pytest.raises(DataError, match=r"photo: it is transparent everywhere: save it without"):
        _read(tmp_path, encoded(whole, "PNG"))


@pytest.mark.parametrize(
    ("mode", "profile"),
    [("RGB", b"no profile" * 20), ("RGB", DISPLAY_P3[:150]), ("RGB", GREY_18), ("L", cmyk_profile()), ("CMYK", SRGB)],
    ids=["rubbish", "cut off", "of grey", "of inks", "of RGB"],
)
def test_a_profile_that_cannot_be_used_is_passed_over_and_said(tmp_path: Path, mode: str, profile: bytes) -> None:
    picture = SCENE.convert(mode)
    kind = "TIFF" if mode == "CMYK" else "PNG"
    read = _read(tmp_path, encoded(picture, kind, icc_profile=profile))
    assert read.doubts == (UNFIT_PROFILE,)
    assert _same(read.picture, picture)


def test_no_damage_to_a_profile_harms_more_than_the_colours() -> None:
    rng = random.Random(11)
    for _ in range(400):
        profile = read_profile(damaged(DISPLAY_P3, rng), "RGB")
        if profile.transform is not None:
            assert profile.apply(SCENE).size == SCENE.size


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_of_several_pictures_in_a_file_the_first_is_taken_and_that_is_said(tmp_path: Path, kind: str) -> None:
    others = [Image.new("RGB", SCENE.size, "red")]
    options = {"lossless": True} if kind == "WEBP" else {}
    read = _read(tmp_path, encoded(SCENE, kind, save_all=True, append_images=others, **options))
    assert _same(read.picture, SCENE)
    assert read.changes == (SEVERAL,)


def test_a_phone_s_second_picture_is_of_no_interest(tmp_path: Path) -> None:
    data = encoded(SCENE, "MPO", save_all=True, append_images=[Image.new("RGB", SCENE.size, "red")])
    read = _read(tmp_path, data)
    assert read.changes == ()
    assert np.abs(_pixels(read.picture) - _pixels(SCENE)).mean() < 5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_every_kind_is_turned_upright_once(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = np.asarray(SCENE)
    mirrored = upright[:, ::-1]
    turned = [
        upright,
        mirrored,
        np.rot90(upright, 2),
        upright[::-1],
        np.rot90(mirrored),
        np.rot90(upright, 3),
        np.rot90(mirrored, 3),
        np.rot90(upright),
    ][orientation - 1]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(SCENE, kind, exif=exif, **options)
    assert np.array_equal(_pixels(_read(tmp_path, data).picture), turned)


def test_all_that_is_odd_at_once_is_read(tmp_path: Path) -> None:
    """A phone's picture edited on a desk: turned, in another profile, with a transparent corner."""
    picture = SCENE.copy()
    picture.putalpha(255)
    picture.putpixel((0, 0), (0, 0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    read = _read(tmp_path, encoded(picture, "PNG", exif=exif, icc_profile=DISPLAY_P3))
    wanted = np.rot90(_pixels(by_littlecms(SCENE, DISPLAY_P3)), 3).copy()
    wanted[0, -1] = 255
    assert np.array_equal(_pixels(read.picture), wanted)
    assert len(read.changes) == 2


def test_a_camera_s_picture_goes_the_same_way(tmp_path: Path) -> None:
    data = encoded(SCENE, "JPEG", icc_profile=DISPLAY_P3)
    (tmp_path / "p.jpg").write_bytes(data)
    assert np.array_equal(_pixels(decode_picture(data, "camera")), read_photo(tmp_path / "p.jpg"))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
def test_a_damaged_tiff_is_read_or_named(tmp_path: Path) -> None:
    whole, rng, refused = encoded(SCENE, "TIFF", icc_profile=DISPLAY_P3), random.Random(7), 0
    for _ in range(400):
        try:
            assert np.asarray(decode_picture(damaged(whole, rng), "p")).ndim == 3
        except DataError as error:
            refused += 1
            assert str(error).startswith("p: ")  # noqa: PT017
    assert refused > 50
