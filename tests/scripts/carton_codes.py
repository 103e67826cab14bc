"""How well the codes of drawn cartons are read, and how long it takes: python -m tests.scripts.carton_codes [--n N].

A carton as wide as 240 modules of its code, which is stuck on it somewhere, turned by up to 4 degrees, blurred (0.4 to
1.0 pixels), lit unevenly, noisy, compressed; the GTINs are drawn by chance, half of them in the class table of 100. A
third of the cartons bears none. Time is the processor's, of the thread that reads.
"""

import argparse
import time

import numpy as np
from PIL import Image

from edge_agent.codes.cartons import CartonReading, products_by_gtin
from kardus.codes.gs1 import has_check_digit
from kardus.contract.manifest import ClassInfo
from kardus.inference.geometry import Float64Array, rectangle
from simulator.catalogue import products
from simulator.drawing import draw_carton
from simulator.effects import photographed
from simulator.printing import Symbology, print_code, stick
from train.evaluation.metrics import proportion

KINDS: tuple[tuple[str, Symbology, str], ...] = (
    ("EAN-13", "ean13", "{item}"),
    ("ITF-14", "itf14", "{case}"),
    ("GS1-128", "code128", "(01){case}"),
    ("GS1 Data Matrix", "datamatrix", "(01){case}(10)LOT7"),
)
SIDE_MODULES = 240


def with_check(digits: str) -> str:
    """A number with GS1's check digit."""
    return next(digits + check for check in "0123456789" if has_check_digit(digits + check))


def drawn_carton(content: str, symbology: Symbology, module_px: float, rng: np.random.Generator) -> Image.Image:
    """A carton's picture; without a code where `content` is empty."""
    side = round(SIDE_MODULES * module_px)
    product = products()[int(rng.integers(len(products())))]
    carton = draw_carton(product).resize((side, side))
    if content:
        modules = print_code(content, symbology).modules
        height, width = modules.shape
        left, top = rng.uniform(0.05, 0.95, 2) * [side - width * module_px - 8, side - height * module_px - 8]
        place = rectangle(left, top, left + width * module_px, top + height * module_px)
        stick(carton, modules, _turned(place, float(rng.uniform(-4, 4))))
    return photographed(carton, rng)


def _turned(corners: Float64Array, degrees: float) -> Float64Array:
    angle, centre = np.deg2rad(degrees), corners.mean(axis=0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned: Float64Array = (corners - centre) @ turn.T + centre
    return turned


def main() -> None:
    """Draw, read, count, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=60)
    parser.add_argument("--modules", type=float, nargs="+", default=[1.0, 2.0, 3.0, 4.0])
    given = parser.parse_args()
    print("code | module | carton | of the table's, read right | said another product | ms a carton, mean and longest")
    for name, symbology, pattern in KINDS:
        for module_px in given.modules:
            print(_measured(name, symbology, pattern, module_px, given.n), flush=True)


def _measured(name: str, symbology: Symbology, pattern: str, module_px: float, n: int) -> str:
    rng = np.random.default_rng(5)
    items = [with_check(f"899{rng.integers(10**9):09d}") for _ in range(200)]
    table = products_by_gtin(ClassInfo(name=f"p{i}", category="c", sku=f"p{i}", gtin=items[i]) for i in range(100))
    right = wrong = known = 0
    took = []
    for number in range(n):
        chosen = int(rng.integers(200)) if number % 3 else None
        item = "" if chosen is None else items[chosen]
        content = pattern.format(item=item, case=with_check("1" + item[:12])) if item else ""
        carton = drawn_carton(content, symbology, module_px, rng)
        reading = CartonReading("c", 0, 0, carton, rectangle(0, 0, *carton.size), table)
        began = time.thread_time()
        witness = reading().witness
        took.append(time.thread_time() - began)
        expected = f"p{chosen}" if chosen is not None and chosen < len(table) else None
        known += expected is not None
        right += witness is not None and witness.sku == expected
        wrong += witness is not None and witness.sku != expected
    share = proportion("read", right, known)
    ms = 1000 * np.array(took)
    within = f"{100 * share.low:.0f} to {100 * share.high:.0f} %"
    return (
        f"{name} | {module_px:g} px | {round(SIDE_MODULES * module_px)} px | {right} of {known} ({within}) "
        f"| {wrong} of {n} | {ms.mean():.1f}, {ms.max():.1f}"
    )


if __name__ == "__main__":
    main()
