"""A picture of any depth, colours and transparency as 8-bit RGB in sRGB, and what was done for it.

What is 8-bit sRGB already, as nearly every photo, is handed on as it is, without a look at its pixels.
"""

import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile

from kardus.inference.coding_points import HighDynamicRangeError, heed_coding_points
from kardus.inference.colour_profiles import ColourProfile, adobe_rgb, png_colours, read_profile

TIFF_FAILURES = (KeyError, TypeError, IndexError, EOFError, OverflowError, ZeroDivisionError, struct.error)
"""What Pillow raises besides over a damaged TIFF, as EXIF is one too."""
_BITS_16 = ("I;16", "I;16B", "I;16L", "I;16N")
_DEEPER = ("I", "F")
_GREY = ("1", "L", "LA", "La")
_BLACK = 16
"""A 16-bit picture without a brighter level (of 255) holds 12 bits or fewer, whatever it says."""
_INVERTED_TIFF = (262, 0)
"""PhotometricInterpretation: white is zero (TIFF 6.0). Pillow heeds it in 8 bits only."""
_BITS_PER_SAMPLE, _PLANES = 258, (284, 2)
"""BitsPerSample, and PlanarConfiguration: each channel by itself (TIFF 6.0). Pillow reads such in 8 bits only."""
_INTEROPERABILITY, _INDEX, _OPTIONAL_SPACE = 0xA005, 0x0001, "R03"
"""How a camera says without a profile that it takes Adobe RGB (DCF 2.0)."""
SEVERAL = "several pictures in one file: the first is taken"
TRANSPARENT = "transparent parts are laid on white"
CMYK = "CMYK without a profile is brought to RGB: its colours are rough"
LAB = "Lab colours are brought to sRGB"
_ROUGH = {"CMYK": CMYK, "LAB": LAB}
UNFIT_PROFILE = "the colour profile is damaged or of another kind of picture: its colours are taken for sRGB"


class UnfitPictureError(Exception):
    """A picture that can't be read rightly; the text says why, and what to do."""


@dataclass(frozen=True)
class SrgbPicture:
    """A picture as 8-bit sRGB."""

    picture: Image.Image
    """RGB."""
    changes: tuple[str, ...] = ()
    """What was brought from another form, in the words of a list."""
    doubts: tuple[str, ...] = ()
    """What couldn't be, so that its colours may be wrong."""


@dataclass(frozen=True)
class FileColours:
    """What of a file is known before it is decoded, and forgotten after."""

    bits: int
    """Of each channel: 8, 12 or 16."""
    inverted: bool
    """Whether white is 0, and Pillow doesn't know."""
    several: bool
    """Whether the file holds further pictures of equal worth."""


_AS_NEARLY_ALL = FileColours(8, inverted=False, several=False)


def stored_as(image: ImageFile.ImageFile) -> FileColours:
    """How the file holds its pixels.

    Raises:
        UnfitPictureError: brightness has no range that could be known, or isn't read rightly.
    """
    if image.format == "JPEG":
        return _AS_NEARLY_ALL
    if image.format == "PNG":
        _heed(image)
    if image.mode in _DEEPER:
        raise UnfitPictureError("its brightness has 32 bits or a sign: save it with 8 or 16 bits a channel")
    how = image.tile[0][3] if image.tile else ""
    raw = str(how[0] if isinstance(how, tuple) and how else how)
    tags = getattr(image, "tag_v2", {})
    if tags.get(_PLANES[0]) == _PLANES[1] and any(bits > 8 for bits in tags.get(_BITS_PER_SAMPLE, ())):  # noqa: PLR2004
        raise UnfitPictureError("its channels lie apart, with more than 8 bits each: save it with 8 bits a channel")
    inverted = image.mode in _BITS_16 and tags.get(_INVERTED_TIFF[0]) == _INVERTED_TIFF[1]
    several = image.format not in ("MPO", "HEIF") and bool(getattr(image, "is_animated", False))
    return FileColours(12 if ";12" in raw else 16 if ";16" in raw else 8, inverted, several)


def _heed(image: ImageFile.ImageFile) -> None:
    try:
        heed_coding_points(image)
    except HighDynamicRangeError as error:
        raise UnfitPictureError(
            f"a picture of high dynamic range ({error}): save it as an ordinary one (SDR, sRGB)"
        ) from error


def exif_of(image: Image.Image) -> Image.Exif:
    """What a picture says of how it was taken; where that is damaged, nothing, as in browsers."""
    try:
        return image.getexif()
    except (OSError, SyntaxError, ValueError, *TIFF_FAILURES):
        return Image.Exif()


def to_srgb(image: Image.Image, stored: FileColours) -> SrgbPicture:
    """A decoded picture as 8-bit sRGB.

    Raises:
        UnfitPictureError: nothing of it can be seen, or not rightly.
    """
    if stored is _AS_NEARLY_ALL and image.mode == "RGB" and _profile_of(image, "RGB") is None:
        return SrgbPicture(image)
    changes = [SEVERAL] * stored.several
    if stored.bits > 8:  # noqa: PLR2004
        changes.append(f"{stored.bits} bits a channel are brought to 8")
    base, alpha = _without_transparency(*_in_8_bits(image, stored))
    if stored.bits > 12 and base.mode != "CMYK" and _brightest(base) <= _BLACK:  # noqa: PLR2004
        raise UnfitPictureError(
            "its 16 bits are hardly used, so that it would be black: save it with their whole range"
        )
    doubts: list[str] = []
    picture = _in_srgb(base, _profile_of(image, base.mode), changes, doubts)
    if alpha is not None:
        changes.append(TRANSPARENT)
        picture = Image.composite(picture, Image.new("RGB", picture.size, "white"), alpha)
    return SrgbPicture(picture, tuple(changes), tuple(doubts))


def _in_8_bits(image: Image.Image, stored: FileColours) -> tuple[Image.Image, Image.Image | None]:
    """A picture of 8 bits a channel; and where a grey value stands for transparent, what isn't (L)."""
    key = image.info.get("transparency")
    if image.mode not in _BITS_16:
        if stored.bits > 8 and isinstance(key, tuple):  # noqa: PLR2004 - Pillow keeps the upper half of the channels
            image.info["transparency"] = tuple(value >> 8 for value in key)
        return image, None
    values, white = np.asarray(image), 2**stored.bits - 1
    opaque = Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)) if isinstance(key, int) else None
    grey = ((values.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)
    return Image.fromarray(255 - grey if stored.inverted else grey), opaque


def _without_transparency(image: Image.Image, opaque: Image.Image | None) -> tuple[Image.Image, Image.Image | None]:
    """The colours (L, RGB or CMYK), and how opaque they are (L); None: wholly."""
    if opaque is not None:
        return image, opaque
    if not image.has_transparency_data:
        return (image.convert("RGB") if image.mode == "P" else image), None
    whole = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
    opaque = whole.getchannel("A")
    least, most = (int(value) for value in np.ravel(opaque.getextrema()))
    if most == 0:
        raise UnfitPictureError("it is transparent everywhere: save it without transparency")
    colours = whole.convert("RGB")
    return (colours.convert("L") if image.mode in _GREY else colours), (opaque if least < 255 else None)  # noqa: PLR2004


def _brightest(base: Image.Image) -> int:
    return int(np.max(base.getextrema()))


def _profile_of(image: Image.Image, mode: str) -> ColourProfile | None:
    """What says how its colours are meant; None: nothing does, or they are sRGB's."""
    data = image.info.get("icc_profile")
    if mode == "LAB":
        return None  # it says by itself what its colours are
    if data:
        profile = read_profile(bytes(data), "L" if mode == "1" else mode)
    elif "gamma" in image.info and "srgb" not in image.info and mode in ("RGB", "L"):
        profile = png_colours(image.info["gamma"], image.info.get("chromaticity"))
    else:
        return adobe_rgb() if mode == "RGB" and _is_adobe_rgb(image) else None
    return None if profile.fits and profile.transform is None else profile


def _is_adobe_rgb(image: Image.Image) -> bool:
    """Its EXIF is taken apart only where the name is in it: that takes longer than all else here."""
    named = _OPTIONAL_SPACE.encode() in image.info.get("exif", b"")
    return named and exif_of(image).get_ifd(_INTEROPERABILITY).get(_INDEX) == _OPTIONAL_SPACE


def _in_srgb(base: Image.Image, profile: ColourProfile | None, changes: list[str], doubts: list[str]) -> Image.Image:
    if profile is not None and not profile.fits:
        doubts.append(UNFIT_PROFILE)
    if profile is not None and profile.transform is not None:
        changes.append(f"colours of '{profile.name}' are brought to sRGB")
        return profile.apply(base)
    if base.mode in _ROUGH:
        changes.append(_ROUGH[base.mode])
    return base if base.mode == "RGB" else base.convert("RGB")
