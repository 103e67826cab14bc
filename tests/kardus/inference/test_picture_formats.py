"""What a file is shows in its content, and where it can't be read, in the line that refuses it."""

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from kardus.inference.preprocess import decode_picture, read_converted, read_photo
from kardus.support.errors import DataError
from tests.pictures import DISPLAY_P3, SCENE, encoded


def _refusal(folder: Path, data: bytes, name: str = "photo.jpg") -> str:
    path = folder / name
    path.write_bytes(data)
    with pytest.raises(DataError) as refused:
        read_photo(path)
    text = str(refused.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "MPO"])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.jfif", "a"])
def test_a_name_that_lies_changes_nothing(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(encoded(SCENE, kind))
    assert read_photo(path).shape == (24, 32, 3)


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\0\0\0\x18ftypavif", "but AVIF: save it as JPEG or PNG"),
        (b"\0\0\0\x18ftypcrx ", "but a camera's raw file"),
        (b"\0\0\0\x18ftypqt  ", "but a video"),
        (b"\xff\x0a\xfa\x1f", "but JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "but JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "but JPEG 2000"),
        (b"GIF89a", "but a GIF"),
        (b"8BPS\0\1", "but a Photoshop file"),
        (b"%PDF-1.7", "but a PDF"),
        (b"\0\x05\x16\x07\0\2\0\0Mac OS X", "it is what a Mac keeps beside a file of that name"),
    ],
)
def test_what_cannot_be_read_is_called_by_its_name(tmp_path: Path, head: bytes, said: str) -> None:
    assert said in _refusal(tmp_path, head + bytes(200))


DAMAGED_EXIF = {
    "nothing": b"",
    "no beginning": b"garbage",
    "no end": b"II*\0",
    "a beginning alone": b"II*\0\x08\0\0\0",
    "an end far off": b"II*\0\xff\xff\xff\x7f",
    "the word for Adobe RGB": b"garbage R03",
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("case", DAMAGED_EXIF)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_exif_costs_no_photo(tmp_path: Path, kind: str, case: str) -> None:
    path = tmp_path / "photo"
    path.write_bytes(encoded(SCENE, kind, exif=b"Exif\0\0" + DAMAGED_EXIF[case]))
    assert read_photo(path).shape == (24, 32, 3)


ADDITIONS = {
    "JFIF without its version": (0xE0, b"JFIF\0"),
    "JFIF, cut off": (0xE0, b"JFIF"),
    "a profile without its number": (0xE2, b"ICC_PROFILE\0"),
    "a profile without its count": (0xE2, b"ICC_PROFILE\0\1"),
    "Photoshop's, cut off": (0xED, b"Photoshop 3.0\0008BIM\4\4"),
    "Adobe's, cut off": (0xEE, b"Adobe"),
}


def _with_addition(case: str, **options: Any) -> bytes:
    kind, content = ADDITIONS[case]
    photo = encoded(SCENE, "JPEG", quality=95, **options)
    return photo[:2] + bytes((0xFF, kind)) + struct.pack(">H", len(content) + 2) + content + photo[2:]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"icc_profile": DISPLAY_P3}])
@pytest.mark.parametrize("case", ADDITIONS)
def test_a_jpeg_with_an_addition_that_is_cut_off_is_read_as_without(
    tmp_path: Path, case: str, options: dict[str, Any]
) -> None:
    """As browsers do; its profile and its EXIF are still heeded."""
    turned = Image.Exif()
    turned[0x0112] = 6
    plain, path = tmp_path / "plain", tmp_path / "photo"
    plain.write_bytes(encoded(SCENE, "JPEG", quality=95, exif=turned, **options))
    path.write_bytes(_with_addition(case, exif=turned, **options))
    assert read_photo(path).shape == (32, 24, 3)
    assert np.array_equal(read_photo(path), read_photo(plain))
    assert np.array_equal(np.asarray(decode_picture(path.read_bytes(), "photo")), read_photo(plain))


def test_a_jpeg_with_such_an_addition_is_told_to_be_cut_off_all_the_same(tmp_path: Path) -> None:
    data = _with_addition("JFIF, cut off", progressive=True)
    assert "it was cut off" in _refusal(tmp_path, data[:-20] + b"\xff\xd9")


@pytest.mark.parametrize(
    ("kind", "called"), [("JPEG", "a JPEG"), ("PNG", "a PNG"), ("WEBP", "a WebP"), ("BMP", "a BMP"), ("TIFF", "a TIFF")]
)
def test_what_was_cut_off_is_called_what_it_is(tmp_path: Path, kind: str, called: str) -> None:
    data = encoded(SCENE, kind)
    said = _refusal(tmp_path, data[: len(data) // 2])
    assert said.endswith(
        f"not a readable picture (JPEG, PNG, WebP, BMP or TIFF): {called} that is damaged, cut off, or of a rare kind"
    )


@pytest.mark.parametrize("frame", [0xC3, 0xF7], ids=["lossless", "JPEG-LS"])
def test_a_rare_kind_of_jpeg_is_called_one(tmp_path: Path, frame: int) -> None:
    data = encoded(SCENE, "JPEG").replace(b"\xff\xc0", bytes([0xFF, frame]), 1)
    assert "a JPEG that is damaged, cut off, or of a rare kind" in _refusal(tmp_path, data)


def test_a_pipe_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "photo.jpg")
    with pytest.raises(DataError, match=r"photo\.jpg: a pipe or device, and no picture"):
        read_photo(tmp_path / "photo.jpg")


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    assert _refusal(tmp_path, b"").endswith("TIFF): it is empty")


@pytest.mark.parametrize("tag", [{50706: (1, 4, 0, 0)}, {254: 1}], ids=["DNG", "the smaller copy of a NEF"])
def test_a_raw_file_s_thumbnail_is_not_taken_for_the_photo(tmp_path: Path, tag: dict[int, object]) -> None:
    data = encoded(SCENE, "TIFF", tiffinfo=_tags(tag))
    assert _refusal(tmp_path, data, "photo.tif").endswith("a camera's raw file: develop it, and save it as JPEG or PNG")


def _tags(tags: dict[int, object]) -> object:
    own = ImageFileDirectory_v2()
    for number, value in tags.items():
        own.tagtype[number] = 1 if isinstance(value, tuple) else 4
        own[number] = bytes(value) if isinstance(value, tuple) else value
    return own


def test_a_canon_raw_file_is_known_by_its_head(tmp_path: Path) -> None:
    data = encoded(SCENE, "TIFF")
    assert data[4:8] == struct.pack("<I", 8), "its directory comes first, and has to make room"
    moved = data[:4] + struct.pack("<I", len(data)) + b"CR\x02\0" + data[12:] + data[8:]
    assert "raw file" in _refusal(tmp_path, moved, "photo.tif")


@pytest.mark.usefixtures("without_heic")
@pytest.mark.parametrize("name", ["IMG_1.HEIC", "IMG_1.jpg"])
def test_a_heic_photo_is_named_with_what_would_read_it(tmp_path: Path, name: str) -> None:
    data = b"\0\0\0\x1cftypheic\0\0\0\0mif1heic" + bytes(100)
    assert _refusal(tmp_path, data, name).endswith("but HEIC: save it as JPEG, or install pillow-heif")


@pytest.mark.parametrize("name", ["IMG_1.HEIC", "IMG_1.jpg"])
def test_a_heic_photo_is_read_where_its_extra_is_installed(tmp_path: Path, name: str) -> None:
    pillow_heif.register_heif_opener()
    rows, columns = np.mgrid[0:64, 0:96]
    scene = Image.fromarray(np.stack([rows * 3, columns * 2, rows + columns], axis=-1).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(scene, "HEIF", quality=95, exif=exif.tobytes(), icc_profile=DISPLAY_P3)
    (tmp_path / name).write_bytes(data)
    read = read_converted(tmp_path / name)
    assert read.changes == ("colours of 'Display P3' are brought to sRGB",)
    assert read.picture.size == (64, 96)
    assert "but HEIC: save it as JPEG" in _refusal(tmp_path, data[:-900])


HEADER, TRAILER = 33, -12
"""Where a PNG's header ends, and where its last chunk begins."""


def _chunk(content: bytes) -> bytes:
    return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))


@pytest.mark.parametrize(("size", "is_read"), [(3_000_000, True), (70_000_000, False)])
@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_a_png_may_say_as_much_of_itself_as_real_programs_do(kind: bytes, size: int, *, is_read: bool) -> None:
    """An editor's history; a scanner's profile, which isn't one here and is passed over."""
    plain = encoded(SCENE, "PNG")
    data = plain[:HEADER] + _chunk(kind + b"a\0\0" + zlib.compress(bytes(size), 1)) + plain[HEADER:]
    if is_read:
        assert decode_picture(data, "x").tobytes() == decode_picture(plain, "x").tobytes()
        return
    with pytest.raises(DataError, match="a PNG that is damaged, cut off, or of a rare kind"):
        decode_picture(data, "x")


PACKED = zlib.compress(bytes(15_000_000), 9)
DAMAGED = PACKED[:-1] + bytes([PACKED[-1] ^ 1])
MANY = {
    "profiles": b"iCCPa\0\0" + PACKED,
    "texts of no name": b"zTXt\0\0" + PACKED,
    "damaged texts": b"zTXta\0\0" + DAMAGED,
    "texts of no alphabet": b"iTXta\0\1\0\0\0" + zlib.compress(b"\xff" * 15_000_000, 9),
    "small ones": b"zTXt\0\0" + zlib.compress(bytes(1_000_000), 9),
}


@pytest.mark.parametrize("case", MANY)
@pytest.mark.parametrize("place", [HEADER, TRAILER])
def test_a_png_of_many_packed_ones_is_refused_before_they_are_unpacked(
    tmp_path: Path, place: int, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is within the limit for one, and Pillow's own sum is that of the texts that it can use."""
    opened: list[object] = []
    monkeypatch.setattr(Image, "open", opened.append)
    plain = encoded(SCENE, "PNG")
    data = plain[:place] + _chunk(MANY[case]) * 300 + plain[place:]
    said = "its texts and colour profiles may unpack to more than 256 MB: save it without"
    assert said in _refusal(tmp_path, data)
    with pytest.raises(DataError, match=said):
        decode_picture(data, "x")
    assert opened == []


def test_as_many_as_programs_write_are_read() -> None:
    plain = encoded(SCENE, "PNG")
    many = _chunk(MANY["profiles"]) * 2 + _chunk(b"zTXtdate\0\0" + zlib.compress(b"2026")) * 300
    assert decode_picture(plain[:HEADER] + many + plain[HEADER:], "x").tobytes() == decode_picture(plain, "x").tobytes()


READ = """
import sys
from pathlib import Path
from kardus.inference.preprocess import read_photo
from kardus.support.errors import DataError
for name in sys.argv[1:]:
    try:
        read_photo(Path(name))
    except DataError as error:
        print(error)
"""


def test_what_the_decoder_notices_beside_is_no_line_of_its_own(tmp_path: Path) -> None:
    """Pillow warns of tags that aren't whole; whoever calls it says what comes of it."""
    (tmp_path / "cut.tif").write_bytes(encoded(SCENE, "TIFF", compression="tiff_lzw")[:-3])
    words = [sys.executable, "-c", READ, str(tmp_path / "cut.tif")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "a TIFF that is damaged, cut off, or of a rare kind" in done.stdout
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
