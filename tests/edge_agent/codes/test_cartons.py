"""Which product the code on a carton names."""

import numpy as np
import pytest
from PIL import Image

from edge_agent.codes.cartons import CartonReading, product_of, products_by_gtin
from edge_agent.records import CodeWitness
from kardus.codes.carton_codes import carton_gtins, gtin_of
from kardus.codes.symbols import Symbol
from kardus.contract.manifest import ClassInfo
from kardus.inference.geometry import rectangle
from simulator.catalogue import products
from simulator.drawing import draw_carton
from simulator.printing import Symbology, print_code, stick

ITEM, CASE, OTHER = "4006381333931", "14006381333938", "96385074"
TABLE = (
    ClassInfo(name="a", category="Tea", sku="tea", gtin=ITEM),
    ClassInfo(name="a-side", category="Tea", sku="tea", gtin=ITEM),
    ClassInfo(name="b", category="Tea", sku="milk", gtin=OTHER),
    ClassInfo(name="empty", category="empty", sku="empty"),
)
PRODUCTS = products_by_gtin(TABLE)


def _carton(*codes: tuple[str, Symbology], module_px: float = 2.0) -> Image.Image:
    carton = draw_carton(products()[0]).resize((480, 480))
    for number, (content, symbology) in enumerate(codes):
        modules = print_code(content, symbology).modules
        top, (height, width) = 40 + 130 * number, modules.shape
        stick(carton, modules, rectangle(30, top, 30 + width * module_px, top + height * module_px))
    return carton


def _witness(carton: Image.Image) -> CodeWitness | None:
    whole = rectangle(0, 0, *carton.size)
    return CartonReading("c", 3, 1, carton, whole, PRODUCTS)().witness


def test_the_table_is_by_14_digits_without_what_two_products_claim() -> None:
    assert {ITEM.zfill(14): "tea", OTHER.zfill(14): "milk"} == PRODUCTS
    twice = (*TABLE, ClassInfo(name="c", category="Tea", sku="peach", gtin=f" {ITEM} "))
    assert ITEM.zfill(14) not in products_by_gtin(twice)
    assert products_by_gtin([ClassInfo(name="c", category="Tea", sku="c", gtin="4006381333932")]) == {}


def test_a_carton_of_items_is_their_product_where_the_table_has_the_item() -> None:
    assert product_of(CASE, PRODUCTS) == "tea"
    assert product_of("94006381333934", PRODUCTS) is None  # 9: of variable measure
    assert product_of("09506000134352", PRODUCTS) is None
    assert product_of(CASE, {"24006381333935": "other"}) is None  # a case of another size, no item


@pytest.mark.parametrize(
    ("content", "symbology"),
    [
        (ITEM, "ean13"),
        (CASE, "itf14"),
        (f"(01){CASE}", "code128"),
        (f"(01){CASE}(10)LOT7", "datamatrix"),
        (f"(01){ITEM.zfill(14)}(17)270101", "qr"),
        (ITEM, "qr"),
    ],
)
def test_whatever_a_carton_bears_is_read(content: str, symbology: Symbology) -> None:
    witness = _witness(_carton((content, symbology)))
    assert witness is not None
    assert witness.sku == "tea"


def test_two_products_in_one_crop_say_nothing_and_two_codes_of_one_say_it() -> None:
    assert _witness(_carton((ITEM, "ean13"), (f"(01){OTHER.zfill(14)}", "datamatrix"))) is None
    witness = _witness(_carton((ITEM, "ean13"), (CASE, "itf14")))
    assert witness is not None
    assert witness.sku == "tea"


def test_an_unknown_item_and_a_carton_without_a_code_say_nothing() -> None:
    assert _witness(_carton(("9506000134352", "ean13"))) is None
    assert _witness(_carton()) is None
    assert _witness(Image.new("RGB", (20, 20))) is None


def test_a_slot_that_leans_out_of_the_picture_is_read() -> None:
    carton = _carton((ITEM, "ean13"))
    read = CartonReading("c", 0, 1, carton, rectangle(-5, -5, 485, 485), PRODUCTS)()
    assert (read.camera, read.slot, read.content) == ("c", 0, 1)
    assert read.witness == CodeWitness(ITEM.zfill(14), "tea")


def test_what_names_no_item() -> None:
    for text, is_gs1 in (("A-01-2-03", False), ("4148991234500010", True), ("", False)):
        assert gtin_of(Symbol(text, np.zeros((4, 2)), "QR Code", is_matrix=True, is_gs1=is_gs1)) is None
    assert carton_gtins(Image.new("L", (3, 3))) == set()
