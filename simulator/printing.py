"""Draws printed codes, Code 128, QR, Data Matrix, EAN-13 and ITF-14, and sticks them into a picture."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import zxingcpp
from numpy.typing import NDArray
from PIL import Image

from kardus.inference.geometry import Float64Array, homography, rectangle

Symbology = Literal["code128", "qr", "datamatrix", "ean13", "itf14"]
Modules = NDArray[np.uint8]
"""(height, width): a printed code, one value a module, 0 black and 255 white, its quiet zone around it."""
LINEAR_HEIGHT = 26
"""Modules: how high a linear code is printed."""
_FINE = 4
"""So many samples a pixel and direction: a module's edge falls anywhere in a pixel."""
_FORMATS = {
    "code128": zxingcpp.BarcodeFormat.Code128,
    "qr": zxingcpp.BarcodeFormat.QRCode,
    "datamatrix": zxingcpp.BarcodeFormat.DataMatrix,
    "ean13": zxingcpp.BarcodeFormat.EAN13,
    "itf14": zxingcpp.BarcodeFormat.ITF,  # zxing-cpp adds a check digit of its own to what it calls ITF-14
}
_QUIET = {"code128": 10, "qr": 4, "datamatrix": 2, "ean13": 11, "itf14": 10}
"""Modules of quiet zone on each side, at least, by the symbologies' standards."""


@dataclass(frozen=True)
class Printed:
    """A code as it is printed."""

    modules: Modules
    quiet: int
    """Modules of quiet zone at the left and at the right."""


def print_code(content: str, symbology: Symbology) -> Printed:
    """A code's modules.

    Args:
        content: its text; GS1's element strings with parentheses, as `(414)8991234500017`.
        symbology: how it is printed.

    Raises:
        ValueError: the symbology can't say this.
    """
    options = {"gs1": True} if content.startswith("(") else {}
    barcode = zxingcpp.create_barcode(content, _FORMATS[symbology], **options)
    image = zxingcpp.write_barcode_to_image(barcode, scale=1, add_quiet_zones=False)
    modules = np.array(image, dtype=np.uint8)
    quiet = _QUIET[symbology]
    if symbology not in ("qr", "datamatrix"):
        modules = np.repeat(modules[modules.shape[0] // 3][None], LINEAR_HEIGHT, axis=0)
        return Printed(np.pad(modules, ((2, 2), (quiet, quiet)), constant_values=255), quiet)
    return Printed(np.pad(modules, quiet, constant_values=255), quiet)


def stick(image: Image.Image, modules: Modules, corners: Float64Array) -> None:
    """Put a printed code into an RGB picture, its corners (4, 2) in pixels, each pixel the mean of what it shows."""
    left, top = np.floor(corners.min(axis=0)).astype(int)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int)
    size = (int(right - left), int(bottom - top))
    fine = (size[0] * _FINE, size[1] * _FINE)
    source = rectangle(0, 0, modules.shape[1], modules.shape[0])
    back = homography((corners - [left, top]) * _FINE, source).reshape(9)[:8]
    coefficients = tuple(float(value) for value in back)
    how = (Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.NEAREST)
    ink = Image.fromarray(modules).transform(fine, *how).reduce(_FINE)
    mask = Image.new("L", (modules.shape[1], modules.shape[0]), 255).transform(fine, *how).reduce(_FINE)
    grey = np.asarray(ink, dtype=np.float32) / 255
    paper, black = np.array([238, 238, 230], np.float32), np.array([24, 24, 26], np.float32)
    shown = black + (paper - black) * grey[..., None]
    under = np.asarray(mask, dtype=np.float32)[..., None] / 255
    # where the mask is partial, the ink is dimmed by what lies outside it: divide it out
    shown = np.clip(black + (shown - black) / np.maximum(under, 1e-3), 0, paper)
    image.paste(Image.fromarray(shown.round().astype(np.uint8)), (int(left), int(top)), mask)
