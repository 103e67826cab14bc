"""Reads the printed codes in a piece of a picture, with zxing-cpp."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import zxingcpp
from numpy.typing import NDArray

from kardus.inference.geometry import Float64Array, is_convex

Grey = NDArray[np.uint8]
"""(height, width), 0 to 255."""
_FORMAT = zxingcpp.BarcodeFormat
MATRIX = frozenset({_FORMAT.QRCode, _FORMAT.DataMatrix})
"""Codes that correct errors, and are never read where they can't (Reed and Solomon)."""
LABEL_FORMATS = (_FORMAT.Code128, _FORMAT.QRCode, _FORMAT.DataMatrix)
"""What the labels of locations are printed in."""
CARTON_FORMATS = (_FORMAT.EAN13, _FORMAT.ITF, _FORMAT.Code128, _FORMAT.DataMatrix, _FORMAT.QRCode)
"""What cartons bear: EAN-13 (and UPC-A, which is one), ITF-14, GS1-128 and GS1's matrix codes."""


@dataclass(frozen=True)
class Symbol:
    """A code that was read."""

    text: str
    """Its content; of GS1's without parentheses."""
    corners: Float64Array
    """(4, 2): top left, top right, bottom right, bottom left as its reader sees it, in pixels of the picture."""
    format: str
    """Its symbology: `Code 128`, `QR Code`, `Data Matrix`, `EAN-13`, `ITF`."""
    is_matrix: bool
    """It corrects errors."""
    is_gs1: bool
    """Its content are GS1's element strings."""


def read_symbols(
    grey: Grey, formats: Sequence[zxingcpp.BarcodeFormat], scale: int = 1, origin: tuple[int, int] = (0, 0)
) -> list[Symbol]:
    """The codes in a piece of a picture.

    Args:
        grey: the piece, enlarged.
        formats: which are looked for.
        scale: how many times it is enlarged.
        origin: where its left upper corner is in the picture, in pixels of the picture.
    """
    found = zxingcpp.read_barcodes(
        grey,
        formats=zxingcpp.BarcodeFormats(list(formats)),
        try_downscale=False,
        try_invert=False,
        text_mode=zxingcpp.TextMode.Plain,
    )
    return [_symbol(barcode, scale, origin) for barcode in found]


def _symbol(barcode: zxingcpp.Barcode, scale: int, origin: tuple[int, int]) -> Symbol:
    at = barcode.position
    places = [(point.x, point.y) for point in (at.top_left, at.top_right, at.bottom_right, at.bottom_left)]
    corners = (np.array(places, dtype=np.float64) + 0.5) / scale + origin
    if not is_convex(corners):  # a linear code that stands on its head comes mirrored: its reading direction is right
        corners = corners[[3, 2, 1, 0]]
    return Symbol(
        text=barcode.text,
        corners=corners,
        format=str(barcode.format),
        is_matrix=barcode.format in MATRIX,
        is_gs1=barcode.content_type == zxingcpp.ContentType.GS1,
    )
