"""What makes a camera's picture worthless: no light, glare, a lost focus, something before the lens, a turn."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from simulator.script import Change, ChangeKind

DARK_GAIN = 0.02
GLARE_GAIN = 9.0
_CLOTH = (92, 84, 76)


def spoil(picture: NDArray[np.int16], trouble: Change) -> NDArray[np.int16]:
    """The picture (height, width, 3) as the camera sees it in its trouble, before the sensor's noise.

    A frozen or dead camera's trouble isn't in the picture: it comes back as it is.
    """
    match trouble.kind:
        case ChangeKind.DARK:
            return _gained(picture, DARK_GAIN)
        case ChangeKind.OVER_EXPOSED:
            return _gained(picture, GLARE_GAIN)
        case ChangeKind.BLURRED:
            return _as_array(_as_image(picture).filter(ImageFilter.GaussianBlur(trouble.amount)))
        case ChangeKind.COVERED:
            return _covered(picture)
        case ChangeKind.MOVED:
            return _moved(picture, trouble.amount)
    return picture


def _gained(picture: NDArray[np.int16], gain: float) -> NDArray[np.int16]:
    return (picture * np.float32(gain)).clip(0, 255).astype(np.int16)


def _covered(picture: NDArray[np.int16]) -> NDArray[np.int16]:
    """A cloth hangs before the lens and leaves a strip at one side."""
    image = _as_image(picture)
    width, height = image.size
    folds = [(0, 0), (0.86 * width, 0), (0.8 * width, 0.55 * height), (0.9 * width, height), (0, height)]
    ImageDraw.Draw(image).polygon(folds, fill=_CLOTH)
    return _as_array(image)


def _moved(picture: NDArray[np.int16], pixels: float) -> NDArray[np.int16]:
    """The camera was turned to the right: what it sees goes to the left, and its edge is repeated."""
    shift = round(pixels)
    sources = np.clip(np.arange(picture.shape[1]) + shift, 0, picture.shape[1] - 1)
    return picture[:, sources]


def _as_image(picture: NDArray[np.int16]) -> Image.Image:
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def _as_array(image: Image.Image) -> NDArray[np.int16]:
    return np.asarray(image, dtype=np.int16)
