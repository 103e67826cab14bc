"""Finds the labels of a rack's locations in a picture, and believes only what can't be misread.

The picture is searched as it is, and in tiles that are enlarged twofold and threefold: small matrix codes are read
only so. A matrix code corrects its errors, or isn't read. A linear code has one weak check character: it is looked at
alone, in several sizes, and believed where two of these looks or more say the same, and none another thing. What is
read differently at one place is believed neither way.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from kardus.codes.gs1 import ITEM_DIGITS, elements, has_check_digit, location_number
from kardus.codes.symbols import LABEL_FORMATS, Grey, Symbol, read_symbols
from kardus.contract.topics import is_location
from kardus.inference.geometry import Float64Array
from kardus.support.spelling import composed

TILE_PX = 1280
"""Side of a tile before it is enlarged."""
OVERLAP_PX = 480
"""How far tiles overlap: the widest label that needs to be enlarged."""
SCALES = (2, 3)
CLOSE_SCALES = (1, 2, 3, 4)
"""How a label is enlarged that is looked at alone ..."""
READINGS = 2
"""... and in how many of these sizes a linear code must be read, always the same."""
LENS_PX = 0.65
SHARPEN_PERCENT = 350
"""Codes of 1.5 to 2 pixels a module, blurred by a pixel, are read only so (tests/scripts/rack_labels.py)."""
QUIET = 0.08
"""What lies beside a code and belongs to it, in shares of its width."""
MAJORITY = 0.6
"""Where so many labels have one form (`A-01-2-03`: letter, two digits, digit, two digits), others aren't labels."""
MIN_LABELS_OF_A_FORM = 3


@dataclass(frozen=True)
class RackLabel:
    """The label of a location."""

    code: str
    """The location's code."""
    corners: Float64Array
    """(4, 2): its code's corners in the picture, in pixels, as its reader sees them."""

    @property
    def centre(self) -> Float64Array:
        """(2)."""
        centre: Float64Array = self.corners.mean(axis=0)
        return centre


def find_labels(picture: Image.Image, codes: re.Pattern[str] | None = None) -> list[RackLabel]:
    """The labels in a picture (of any mode), each once, in reading order.

    Args:
        picture: of a rack.
        codes: what a location's code looks like; None: as most of those in the picture do.
    """
    grey = np.asarray(picture.convert("L"))
    symbols: list[Symbol] = []
    for scale in (1, *SCALES):
        for piece, origin in _tiles(grey, scale):
            _add(symbols, read_symbols(piece, LABEL_FORMATS, scale, origin))
    return labels_of(_uncontradicted([symbol for symbol in symbols if _is_sure(grey, symbol)]), codes)


def labels_near(picture: Image.Image, places: Sequence[Float64Array]) -> list[RackLabel]:
    """The labels at places (4, 2) where one is supposed to be: each is looked at alone, and enlarged more."""
    grey = np.asarray(picture.convert("L"))
    symbols: list[Symbol] = []
    for place in places:
        found: list[Symbol] = []
        for scale in CLOSE_SCALES:
            _add(found, _read_box(grey, place, scale))
        _add(symbols, [symbol for symbol in _uncontradicted(found) if _is_sure(grey, symbol)])
    return labels_of(_uncontradicted(symbols))


def labels_of(symbols: Sequence[Symbol], codes: re.Pattern[str] | None = None) -> list[RackLabel]:
    """Those of the symbols that are labels of locations, in reading order."""
    labels = [RackLabel(code, symbol.corners) for symbol in symbols if (code := labelled_location(symbol))]
    return sorted(_of_one_form(labels, codes), key=lambda label: (label.centre[1], label.centre[0]))


def labelled_location(symbol: Symbol) -> str | None:
    """The location that a label stands for; None where it is no label of a location.

    Of GS1's elements that is the extension (254), the place within a location number, or else the number (414) itself.
    """
    if symbol.is_gs1:
        found = elements(symbol.text)
        number = location_number(found.get("414", ""))
        if "254" in found:
            code = composed(found["254"]) if number or "414" not in found else ""
            return code if is_location(code) else None
        return number
    code = composed(symbol.text.strip())
    is_item = len(code) in ITEM_DIGITS[1:] and has_check_digit(code)
    return code if is_location(code) and "://" not in code and not is_item else None


def code_pattern(code: str) -> str:
    """A code with its letters as `A` and its digits as `9`."""
    return "".join("9" if character.isdigit() else "A" if character.isalpha() else character for character in code)


def _tiles(grey: Grey, scale: int) -> Iterator[tuple[Grey, tuple[int, int]]]:
    """Enlarged pieces of a picture, and where they begin in it; the whole at scale 1."""
    height, width = grey.shape
    if scale == 1:
        yield grey, (0, 0)
        return
    for top in _starts(height):
        for left in _starts(width):
            yield _enlarged(grey[top : top + TILE_PX, left : left + TILE_PX], scale), (left, top)


def _starts(length: int) -> list[int]:
    return list(range(0, max(1, length - OVERLAP_PX), TILE_PX - OVERLAP_PX))


def _enlarged(piece: Grey, scale: int) -> Grey:
    """A piece of a picture, enlarged, and sharpened by what a lens takes."""
    image = Image.fromarray(piece)
    if scale == 1:
        return piece
    large = image.resize((image.width * scale, image.height * scale), Image.Resampling.BICUBIC)
    return np.asarray(large.filter(ImageFilter.UnsharpMask(LENS_PX * scale, SHARPEN_PERCENT, 0)))


def _is_sure(grey: Grey, symbol: Symbol) -> bool:
    """Whether a symbol can't be a misreading: of a linear one, looks at it alone must say the same."""
    if symbol.is_matrix:
        return True
    texts = [again.text for scale in CLOSE_SCALES for again in _read_box(grey, symbol.corners, scale)]
    return len(texts) >= READINGS and set(texts) == {symbol.text}


def _read_box(grey: Grey, corners: Float64Array, scale: int) -> list[Symbol]:
    """The symbols in the upright box around corners (4, 2) in the picture, with the quiet zone of a code in it.

    A linear code is told from its ground by the brightness of whole rows: nothing but the label may be in them.
    """
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    margin = QUIET * (right - left)
    x, y = max(0, int(left - margin)), max(0, int(top) - 1)
    box = grey[y : int(bottom) + 2, x : int(right + margin) + 1]
    return read_symbols(_enlarged(box, scale), LABEL_FORMATS, scale, (x, y)) if box.size else []


def _add(known: list[Symbol], found: Sequence[Symbol]) -> None:
    for symbol in found:
        if not any(one.text == symbol.text and _same_place(one, symbol) for one in known):
            known.append(symbol)


def _uncontradicted(symbols: Sequence[Symbol]) -> list[Symbol]:
    return [
        one
        for one in symbols
        if not any(other is not one and other.text != one.text and _same_place(one, other) for other in symbols)
    ]


def _same_place(one: Symbol, other: Symbol) -> bool:
    """Whether two symbols lie over one another: linear codes overlap where parts of one are taken for another."""
    near = np.linalg.norm(one.corners.mean(axis=0) - other.corners.mean(axis=0))
    return bool(near < max(_half_side(one), _half_side(other)))


def _half_side(symbol: Symbol) -> float:
    return float(np.linalg.norm(symbol.corners[1] - symbol.corners[0])) / 2


def _of_one_form(labels: list[RackLabel], codes: re.Pattern[str] | None) -> list[RackLabel]:
    if codes is not None:
        return [label for label in labels if codes.fullmatch(label.code)]
    forms = Counter(code_pattern(label.code) for label in labels).most_common(1)
    if forms and forms[0][1] >= max(MIN_LABELS_OF_A_FORM, MAJORITY * len(labels)):
        return [label for label in labels if code_pattern(label.code) == forms[0][0]]
    return labels
