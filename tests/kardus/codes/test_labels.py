"""The labels of a rack are found in its picture, and none is misread."""

import re

import numpy as np
import pytest
from PIL import Image

from kardus.codes.labels import RackLabel, code_pattern, find_labels, labelled_location, labels_of
from kardus.codes.symbols import Symbol
from kardus.inference.geometry import Float64Array, rectangle
from simulator.printing import Symbology, print_code, stick
from simulator.rack_labels import damage
from tests.pictures import seen_through

SHEET = (900, 420)


def _symbol(text: str, *, is_gs1: bool = False, is_matrix: bool = True) -> Symbol:
    return Symbol(text, rectangle(0, 0, 60, 60), "QR Code", is_matrix, is_gs1)


def _place(left: float, top: float, shape: tuple[int, ...], module_px: float) -> Float64Array:
    return rectangle(left, top, left + shape[1] * module_px, top + shape[0] * module_px)


def _sheet(
    *labels: tuple[str, Symbology, float], blur_px: float = 0.7, spoilt: frozenset[str] = frozenset()
) -> Image.Image:
    """Labels one below the other on grey."""
    sheet, top, rng = Image.new("RGB", SHEET, (120, 118, 112)), 12.3, np.random.default_rng(7)
    for content, symbology, module_px in labels:
        modules = print_code(content, symbology).modules
        shown = damage(modules, rng) if content in spoilt else modules
        stick(sheet, shown, _place(31.4, top, modules.shape, module_px))
        top += modules.shape[0] * module_px + 20
    return seen_through(sheet, rng, blur_px)


def test_each_symbology_is_read_at_two_pixels_a_module() -> None:
    sheet = _sheet(
        ("A-01-1-01", "code128", 2),
        ("A-01-1-02", "qr", 2),
        ("A-01-1-03", "datamatrix", 2),
        ("(414)8991234500010(254)A-01-1-04", "datamatrix", 2),
    )
    assert {label.code for label in find_labels(sheet)} == {f"A-01-1-0{number}" for number in (1, 2, 3, 4)}


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_camera_reads_the_same_and_knows_where_up_is(turns: int) -> None:
    sheet = _sheet(("A-01-1-01", "code128", 3), ("A-01-1-02", "qr", 3))
    for label in find_labels(sheet.rotate(90 * turns, expand=True)):
        along = label.corners[1] - label.corners[0]
        expected = {1: (0, -1), 2: (-1, 0), 3: (0, 1)}[turns]
        assert along @ np.array(expected) > 0.95 * np.linalg.norm(along)
        down = label.corners[3] - label.corners[0]
        assert along[0] * down[1] - along[1] * down[0] > 0  # clockwise, never mirrored


def test_damaged_labels_are_left_out_and_never_misread() -> None:
    codes = [f"B-07-2-{number:02}" for number in range(1, 4)]
    sheet = _sheet(*((code, "code128", 2.5) for code in codes), spoilt=frozenset(codes[:2]))
    assert [label.code for label in find_labels(sheet)] == codes[2:]


def test_no_label_in_noise_or_in_a_tiny_picture() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (200, 300), dtype=np.uint8)
    assert find_labels(Image.fromarray(noise)) == []
    assert find_labels(Image.new("RGB", (1, 1))) == []


@pytest.mark.parametrize(
    ("symbol", "code"),
    [
        (_symbol("A-01-2-03"), "A-01-2-03"),
        (_symbol(" A-01-2-03 "), "A-01-2-03"),
        (_symbol("4148991234500010254A-01-2-03", is_gs1=True), "A-01-2-03"),
        (_symbol("4148991234500010", is_gs1=True), "8991234500010"),
        (_symbol("4148991234500011", is_gs1=True), None),  # its check digit is wrong
        (_symbol("4148991234500011254A-01", is_gs1=True), None),
        (_symbol("0118991234500017", is_gs1=True), None),  # a product
        (_symbol("4006381333931"), None),  # a product without GS1's marks
        (_symbol("03020105"), "03020105"),
        (_symbol("https://example.org/01/09506000134352"), None),
        (_symbol(""), None),
        (_symbol("a\nb"), None),
    ],
)
def test_which_symbols_are_labels(symbol: Symbol, code: str | None) -> None:
    assert labelled_location(symbol) == code


def test_what_has_another_form_than_most_is_no_label() -> None:
    symbols = [_symbol(f"A-01-2-0{number}") for number in range(1, 5)] + [_symbol("LOT 4711")]
    assert [label.code for label in labels_of(symbols)] == [f"A-01-2-0{number}" for number in range(1, 5)]
    assert [label.code for label in labels_of(symbols, re.compile(r"LOT \d+"))] == ["LOT 4711"]
    assert code_pattern("Ä-01/b") == "A-99/A"


def test_few_labels_have_no_majority() -> None:
    assert len(labels_of([_symbol("A-01"), _symbol("B7")])) == 2


def test_the_centre_is_the_mean_of_the_corners() -> None:
    assert RackLabel("A", rectangle(0, 0, 10, 20)).centre.tolist() == [5, 10]
