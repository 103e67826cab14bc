"""Opens a picture file by what it holds, whatever its name says; and says what it is, where it can't be read."""

import io
import warnings
from pathlib import Path

from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError

from kardus.inference import jpeg
from kardus.inference.photo_files import HEIC_READER, READ_FORMATS
from kardus.inference.srgb import UnfitPictureError

PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
_HEAD_BYTES = 32
_MAX_BYTES = 100_000_000
"""Of a JPEG that is read anew."""
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_PNG = b"\x89PNG\r\n\x1a\n"
_MARKS = {
    b"GIF8": "a GIF",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"8BPS": "a Photoshop file",
    b"%PDF": "a PDF",
    b"FUJIFILMCCD-RAW": "a camera's raw file",
}
"""How files begin that are taken for photos and can't be read here."""
_READ_MARKS = {
    b"\xff\xd8\xff": "a JPEG",
    _PNG: "a PNG",
    b"RIFF": "a WebP",
    b"BM": "a BMP",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"II+\0": "a TIFF",
    b"MM\0+": "a TIFF",
}
"""How those begin that can be read, unless they are damaged or of a kind that nobody's camera writes."""
_APPLE_DOUBLE = b"\0\x05\x16\x07"
_RAW_TIFF = {"DNGVersion": 50706, "PhotometricInterpretation": 262, "NewSubfileType": 254}
_RAW_INTERPRETATIONS = (32803, 34892)
_CANON_RAW = b"CR\x02"
_MAX_TEXT = 16_000_000
"""Bytes, unpacked, of what a PNG says beside its picture: an editor's history, a scanner's profile."""
_PACKED = {b"iCCP", b"zTXt", b"iTXt"}
"""A PNG's chunks that may be packed; those behind the picture are unpacked too."""
_PACKED_RATIO = 1032
"""To how many times its length deflate can unpack anything (zlib's own documentation)."""
_MAX_TEXTS = 16 * _MAX_TEXT
"""Of all of them together: Pillow adds up but the texts that it can use."""
PngImagePlugin.MAX_TEXT_CHUNK = _MAX_TEXT  # Pillow takes a megabyte, and refuses real photos
# odd tags: what comes of it is said by who reads the picture, in a line that names the file
warnings.filterwarnings("ignore", module=r"PIL\.")


def open_picture(file: Path | io.BytesIO) -> ImageFile.ImageFile:
    """Open a picture; nothing of it is decoded yet.

    Raises:
        UnfitPictureError: it is a camera's raw file, of which only a thumbnail would be read; a PNG that would unpack
            to far more than its picture; or no file at all.
        OSError: it can't be read, or is no picture of a format that is read.
    """
    if isinstance(file, Path) and file.exists() and not file.is_file():  # a pipe would be waited for without end
        raise UnfitPictureError("a folder, and no picture" if file.is_dir() else "a pipe or device, and no picture")
    if _packed(file) > _MAX_TEXTS:
        raise UnfitPictureError(
            f"its texts and colour profiles may unpack to more than {_MAX_TEXTS // 1_000_000} MB: save it without"
        )
    try:
        image = Image.open(file, formats=PHOTO_FORMATS)
    except UnidentifiedImageError:
        if (bare := _bare_jpeg(file)) is not None:
            return Image.open(bare, formats=("JPEG",))
        if not _is_heic(_head(file)) or not _can_read_heic():
            raise
        return Image.open(file, formats=("HEIF",))
    if image.format == "TIFF" and _is_raw(image, _head(file)):
        image.close()
        raise UnfitPictureError("a camera's raw file: develop it, and save it as JPEG or PNG")
    return image


def _packed(file: Path | io.BytesIO) -> int:
    """To how many bytes at the most a PNG's texts and profiles would be unpacked; 0 of another format."""
    most = 0
    with file.open("rb") if isinstance(file, Path) else io.BytesIO(file.getvalue()) as opened:
        if opened.read(len(_PNG)) != _PNG:
            return 0
        while begun := opened.read(8):  # a chunk's length and name, behind its content a checksum
            length = int.from_bytes(begun[:4])
            if begun[4:] in _PACKED:
                most += min(length * _PACKED_RATIO, _MAX_TEXT)
            opened.seek(length + 4, io.SEEK_CUR)
    return most


def _bare_jpeg(file: Path | io.BytesIO) -> io.BytesIO | None:
    """A JPEG without what may have kept it from being read; None: there is no such thing in it, or it is none."""
    if not _head(file).startswith(jpeg.START):
        return None
    whole = _begin(file, _MAX_BYTES)
    bare = jpeg.without_additions(whole)
    return io.BytesIO(bare) if bare != whole else None


def what_it_is(file: Path | io.BytesIO) -> str:
    """Why a file couldn't be read, as far as its first bytes tell, with the remedy where there is one."""
    unread = f"not a readable picture ({READ_FORMATS})"
    try:
        head = _head(file)
    except OSError:  # a folder, say
        return unread
    if not head:
        return f"{unread}: it is empty"
    if head.startswith(_APPLE_DOUBLE):
        return f"{unread}: it is what a Mac keeps beside a file of that name"
    if _is_heic(head):
        return f"{unread}, but HEIC: save it as JPEG" + ("" if _can_read_heic() else ", or install pillow-heif")
    known = next((kind for mark, kind in _READ_MARKS.items() if head.startswith(mark)), "")
    if known and (known != "a WebP" or head[8:12] == b"WEBP"):
        return f"{unread}: {known} that is damaged, cut off, or of a rare kind"
    kind = next((kind for mark, kind in _MARKS.items() if head.startswith(mark)), "")
    if head[4:8] == b"ftyp":
        kind = {b"avif": "AVIF", b"avis": "AVIF", b"crx ": "a camera's raw file"}.get(head[8:12], "a video")
    return f"{unread}, but {kind}: save it as JPEG or PNG" if kind else unread


def _head(file: Path | io.BytesIO) -> bytes:
    return _begin(file, _HEAD_BYTES)


def _begin(file: Path | io.BytesIO, size: int) -> bytes:
    if isinstance(file, io.BytesIO):
        return file.getvalue()[:size]
    with file.open("rb") as opened:
        return opened.read(size)


def _is_heic(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS


def _can_read_heic() -> bool:
    """Whether the extra `heic` is installed; it is loaded by the first such photo."""
    try:
        import pillow_heif  # noqa: PLC0415 - an agent needs it hardly ever
    except ModuleNotFoundError as error:
        if error.name != HEIC_READER:
            raise
        return False
    pillow_heif.register_heif_opener()
    return True


def _is_raw(image: ImageFile.ImageFile, head: bytes) -> bool:
    tags = getattr(image, "tag_v2", {})
    return (
        _RAW_TIFF["DNGVersion"] in tags
        or tags.get(_RAW_TIFF["PhotometricInterpretation"]) in _RAW_INTERPRETATIONS
        or bool(int(tags.get(_RAW_TIFF["NewSubfileType"], 0)) & 1)  # a smaller copy: the picture itself is elsewhere
        or head[8:11] == _CANON_RAW
    )
