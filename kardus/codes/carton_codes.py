"""The trade items (GTIN) that a carton's printed codes name."""

import numpy as np
from PIL import Image

from kardus.codes.gs1 import elements, gtin14, gtin_of_link
from kardus.codes.symbols import CARTON_FORMATS, Grey, Symbol, read_symbols

LARGE_PX = 600
"""A carton is reduced by a whole number to this side at most: its codes have modules enough then ..."""
SMALL_PX = 300
"""... and one that is smaller than this is looked at once more, enlarged twofold, where nothing is read."""


def carton_gtins(crop: Image.Image) -> set[str]:
    """The trade items, in 14 digits, that codes in the picture of a carton name: EAN-13, ITF-14, GS1's, GTIN as text.

    A check digit alone is no proof: whoever asks compares with what he knows. How far the picture is reduced or
    enlarged keeps the time below 10 ms a carton in the mean (tests/scripts/carton_codes.py).

    Args:
        crop: the carton, at the camera's own resolution, of any mode.
    """
    grey = crop.convert("L")
    factor = max(1, -(-max(grey.size) // LARGE_PX))
    found = _read(np.asarray(grey.reduce(factor)))
    if not found and max(grey.size) <= SMALL_PX:
        found = _read(np.asarray(grey.resize((2 * grey.width, 2 * grey.height), Image.Resampling.BILINEAR)))
    return found


def _read(grey: Grey) -> set[str]:
    return {gtin for symbol in read_symbols(grey, CARTON_FORMATS) if (gtin := gtin_of(symbol))}


def gtin_of(symbol: Symbol) -> str | None:
    """The trade item that a code names; None where it names none."""
    if symbol.is_gs1:
        found = elements(symbol.text)
        return gtin14(found.get("01", found.get("02", "")))
    return gtin14(symbol.text) or gtin_of_link(symbol.text)
