"""From a picture and four corners to the classifier's input: one implementation for training, export and camera."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from kardus.inference import jpeg
from kardus.inference.geometry import MAX_PIXELS, Float64Array, homography, rectangle
from kardus.inference.half_decoded import HalfSizePicture, is_judged_by_half
from kardus.inference.part_decoded import GivenPicture
from kardus.inference.picture_formats import open_picture, what_it_is
from kardus.inference.srgb import TIFF_FAILURES, SrgbPicture, UnfitPictureError, exif_of, stored_as, to_srgb
from kardus.support.errors import DataError
from kardus.support.input_files import open_file

Pixels = NDArray[np.uint8]
Size = tuple[int, int]
"""Width and height."""
Image.MAX_IMAGE_PIXELS = None  # Pillow would warn on its own; ours is judged before anything is decoded
_ORIENTATION = 0x0112  # EXIF 2.32, 4.6.4
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = range(5, 9)


@dataclass(frozen=True)
class Warp:
    """How a quadrilateral is cut out of a picture: what depends on its corners alone."""

    box: tuple[int, int, int, int]
    """The upright box around it: left, top, right, bottom in pixels of the picture."""
    reduction: tuple[int, int]
    """By which whole numbers the box is made smaller first, across and down: so small print isn't aliased."""
    coefficients: tuple[float, ...]
    """Of the homography from the result to the reduced box, as Pillow wants them (8)."""
    size_px: int
    """Width and height of the result."""

    def apply(self, part: Image.Image) -> Pixels:
        """The box, upright and square: (size_px, size_px, 3) uint8 RGB."""
        reduced = part.reduce(self.reduction) if self.reduction != (1, 1) else part
        size = (self.size_px, self.size_px)
        return np.asarray(
            reduced.transform(size, Image.Transform.PERSPECTIVE, self.coefficients, Image.Resampling.BILINEAR)
        )


def warp_of(corners: Float64Array, width: int, height: int, size_px: int) -> Warp:
    """How to make a quadrilateral upright and square.

    Args:
        corners: (4, 2) pixels: top left, top right, bottom right, bottom left; inside the picture.
        width: of the picture.
        height: of the picture.
        size_px: width and height of the result.
    """
    left, top = (max(int(np.floor(value)), 0) for value in corners.min(axis=0))
    right, bottom = (int(np.ceil(value)) for value in corners.max(axis=0))
    reduction = _reduction(corners, size_px)
    inside = (corners - [left, top]) / reduction
    matrix = homography(rectangle(0, 0, size_px, size_px), inside).reshape(9)[:8]
    coefficients = tuple(float(value) for value in matrix)
    return Warp((left, top, min(right, width), min(bottom, height)), reduction, coefficients, size_px)


def rectify(picture: Pixels, corners: Float64Array, size_px: int) -> Pixels:
    """Cut the quadrilateral out of the picture and make it upright and square.

    The picture is first reduced by an integer box, so that small print isn't aliased, then warped once (bilinear).

    Args:
        picture: (height, width, 3) uint8 RGB.
        corners: (4, 2) pixels: top left, top right, bottom right, bottom left; inside the picture.
        size_px: width and height of the result.

    Returns:
        (size_px, size_px, 3) uint8 RGB.
    """
    warp = warp_of(corners, picture.shape[1], picture.shape[0], size_px)
    left, top, right, bottom = warp.box
    return warp.apply(Image.fromarray(picture[top:bottom, left:right]))


def cut_out(picture: Image.Image, corners: Float64Array, size_px: int) -> Pixels:
    """As `rectify`, from a picture that is Pillow's already."""
    warp = warp_of(corners, *picture.size, size_px)
    return warp.apply(picture.crop(warp.box))


def rectify_whole(picture: Pixels, size_px: int) -> Pixels:
    """A whole photo as one crop: its own corners are the quadrilateral. Returns (size_px, size_px, 3) uint8."""
    height, width = picture.shape[:2]
    return rectify(picture, rectangle(0, 0, width, height), size_px)


def resized(picture: Pixels, width: int, height: int) -> Pixels:
    """A picture in another size: (height, width, 3) uint8 RGB."""
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BOX))


def read_photo(path: Path) -> Pixels:
    """Read a photo as (height, width, 3) uint8 RGB in sRGB, turned upright by its EXIF orientation.

    What has more bits, other colours or transparency is brought to that (`kardus.inference.srgb`).

    Raises:
        DataError: the file is missing, not a photo, truncated, larger than MAX_PIXELS, or can't be read rightly;
            whoever asked adds the remedy.
    """
    return np.asarray(read_picture(path))


def read_picture(path: Path) -> Image.Image:
    """As `read_photo`, for Pillow: RGB, and nothing of what the file says besides."""
    return read_converted(path).picture


def read_converted(path: Path) -> SrgbPicture:
    """As `read_picture`, with what was brought from another form for it."""
    return _decode(path, str(path))[0]


def decode_picture(data: bytes, name: str) -> Image.Image:
    """As `read_picture`, from memory; `name` is what errors call it."""
    return _decode(io.BytesIO(data), name)[0].picture


def read_half(path: Path) -> GivenPicture:
    """As `read_picture`; of a JPEG that can be judged by it only half of the width and height, for now."""
    try:
        with open_file(path) as file:
            data = file.read()
    except OSError:
        return read_picture(path)  # which says what is wrong
    return decode_half(data, str(path))


def decode_half(data: bytes, name: str) -> GivenPicture:
    """As `read_half`, from memory."""
    decoded, size = _decode(io.BytesIO(data), name, halve=True)
    return HalfSizePicture(decoded.picture, size, lambda: decode_picture(data, name)) if size else decoded.picture


def _decode(file: Path | io.BytesIO, name: str, *, halve: bool = False) -> tuple[SrgbPicture, Size | None]:
    """A picture; and where it was made half as wide and high, the width and height of the whole one."""
    try:
        with open_picture(file) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"{name}: {image.width} x {image.height} pixels is too large")
            size = _halve(image) if halve and image.format == "JPEG" else None
            stored = stored_as(image)
            image.load()  # a TIFF is turned upright by Pillow, and says so only then
            _require_whole(image, file)
            converted = to_srgb(_upright(image), stored)
            converted.picture.load()
            converted.picture.info = {}  # a comment of the camera's would go into every JPEG that is made of it
            return converted, size
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such picture") from error
    except UnfitPictureError as error:
        raise DataError(f"{name}: {error}") from error
    except (OSError, SyntaxError, ValueError, *TIFF_FAILURES) as error:
        raise DataError(f"{name}: {what_it_is(file)}") from error


def _halve(image: ImageFile.ImageFile) -> Size | None:
    """Have a JPEG decoded to half of its size, if it can be judged so; the whole one, once it is upright."""
    is_turned = exif_of(image).get(_ORIENTATION, 1) in _ON_ITS_SIDE
    size = (image.height, image.width) if is_turned else image.size
    stored = image.size
    if is_judged_by_half(size[0]):
        image.draft(None, (image.width // 2, max(1, image.height // 2)))
    return size if image.size != stored else None


def _require_whole(image: ImageFile.ImageFile, file: Path | io.BytesIO) -> None:
    if image.format not in jpeg.FORMATS:
        return
    if jpeg.lacks_a_part(file.getvalue() if isinstance(file, io.BytesIO) else file.read_bytes(), image):
        raise UnfitPictureError("not a whole picture: it was cut off")


def _upright(image: Image.Image) -> Image.Image:
    turn = _TURNS.get(exif_of(image).get(_ORIENTATION, 1))
    return image.transpose(turn) if turn is not None else image


def _reduction(corners: Float64Array, size_px: int) -> tuple[int, int]:
    sides = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    across, down = min(sides[0], sides[2]), min(sides[1], sides[3])
    return max(1, int(across // size_px)), max(1, int(down // size_px))
