"""Reads the codes that cartons bear, and says which product of the class table they name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from edge_agent.codes.reader import CodesRead
from edge_agent.records import CodeWitness
from kardus.codes.carton_codes import carton_gtins
from kardus.codes.gs1 import gtin14
from kardus.contract.manifest import ClassInfo
from kardus.inference.geometry import Float64Array


def products_by_gtin(classes: Iterable[ClassInfo]) -> dict[str, str]:
    """The SKU of each trade item (GTIN in 14 digits) of the class table; without items that several SKUs claim."""
    skus: dict[str, set[str]] = {}
    for info in classes:
        number = gtin14(info.gtin.strip())
        if number:
            skus.setdefault(number, set()).add(info.sku)
    return {number: min(claimed) for number, claimed in skus.items() if len(claimed) == 1}


def product_of(gtin: str, products: Mapping[str, str]) -> str | None:
    """The SKU that a trade item (14 digits) is; None where the class table has none.

    A carton of items (indicator 1 to 8) is the product whose table has the item itself: same digits, indicator 0.
    """
    if gtin in products:
        return products[gtin]
    if gtin[0] in "12345678":
        item = next((known for known in products if known[0] == "0" and known[1:13] == gtin[1:13]), None)
        return products[item] if item else None
    return None


@dataclass(frozen=True)
class CartonReading:
    """A slot whose carton's codes are to be read."""

    camera: str
    slot: int
    content: int
    """Which of the slot's contents it is."""
    picture: Image.Image = field(repr=False)
    corners: Float64Array = field(repr=False)
    """(4, 2), in pixels of the picture."""
    products: Mapping[str, str] = field(repr=False)
    """The class table by GTIN."""

    def __call__(self) -> "CartonRead":
        """Read them. Called from the reader's thread."""
        (left, top), (right, bottom) = np.floor(self.corners.min(axis=0)), np.ceil(self.corners.max(axis=0))
        crop = self.picture.crop((int(left), int(top), int(right), int(bottom)))
        named = {gtin: product_of(gtin, self.products) for gtin in carton_gtins(crop)}
        skus = {sku for sku in named.values() if sku}
        if len(skus) != 1:  # nothing that is known; or several, of which one may belong to the neighbour
            return CartonRead(self.camera, self.slot, self.content, None)
        sku = skus.pop()
        gtin = min(gtin for gtin, named_sku in named.items() if named_sku == sku)
        return CartonRead(self.camera, self.slot, self.content, CodeWitness(gtin, sku))


@dataclass(frozen=True)
class CartonRead(CodesRead):
    """What the codes of a slot's carton say."""

    camera: str
    slot: int
    content: int
    witness: CodeWitness | None
    """None: nothing."""
