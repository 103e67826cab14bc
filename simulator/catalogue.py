"""The drawn products: the founding study's shape, 14 classes of 11 products in 4 categories.

Siblings of one category differ in the variant word, an accent colour and the size, and in nothing else: they share even
barcode and cardboard, so that a classifier has nothing easier to go by.
Three products have a second class for their side, because the side carries a distinguishing mark too.
"""

import colorsys
from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Product:
    """One product as it is printed on its carton. Colours are 8-bit RGB."""

    sku: str
    category: str
    brand: str
    name: str
    variant: str
    size: str
    base: Colour
    panel: Colour
    accent: Colour
    digits: str


@dataclass(frozen=True)
class DrawnClass:
    """One class of the drawn data set: a face or a side of a product."""

    name: str
    product: Product
    face: str


@dataclass(frozen=True)
class _Family:
    category: str
    brand: str
    name: str
    base: Colour
    panel: Colour
    variants: tuple[tuple[str, str, Colour], ...]


_FAMILIES = (
    _Family(
        "Tea",
        "MELATI",
        "Teh Kotak",
        (214, 186, 140),
        (28, 92, 58),
        (
            ("Original", "330 ml", (236, 196, 60)),
            ("Lemon", "330 ml", (190, 214, 48)),
            ("Peach", "330 ml", (244, 150, 96)),
        ),
    ),
    _Family(
        "Milk",
        "LEMBAH",
        "Susu Segar",
        (238, 238, 232),
        (30, 78, 160),
        (
            ("Full Cream", "1 L", (208, 38, 52)),
            ("Low Fat", "1 L", (98, 190, 230)),
            ("Chocolate", "1 L", (112, 66, 36)),
        ),
    ),
    _Family(
        "Noodles",
        "RASANA",
        "Mie Instan",
        (206, 172, 124),
        (196, 40, 34),
        (
            ("Chicken", "40 x 70 g", (250, 200, 40)),
            ("Beef", "40 x 70 g", (122, 40, 30)),
            ("Shrimp", "40 x 70 g", (255, 138, 110)),
        ),
    ),
    _Family(
        "Juice",
        "TROPIKA",
        "Sari Buah",
        (232, 224, 206),
        (244, 128, 20),
        (
            ("Orange", "12 x 250 ml", (255, 214, 64)),
            ("Guava", "12 x 1 L", (226, 76, 120)),
        ),
    ),
)
_WITH_SIDE = ("Tea-Original", "Milk-Full-Cream", "Juice-Orange")
_SYLLABLES = ("BO", "KA", "RI", "NU", "SAN", "VEL", "TO", "MI", "LU", "GAR", "PE", "DO")


def catalogue() -> tuple[DrawnClass, ...]:
    """The 14 drawn classes, in a fixed order."""
    faces = [DrawnClass(product.sku, product, "face") for product in products()]
    sides = [DrawnClass(f"{product.sku}-Side", product, "side") for product in products() if product.sku in _WITH_SIDE]
    return (*faces, *sides)


def products() -> tuple[Product, ...]:
    """The 11 drawn products (sub-categories in the founding study's words)."""
    return tuple(
        _product(family, *variant, digits=f"899{row:05d}")
        for row, family in enumerate(_FAMILIES, start=1)
        for variant in family.variants
    )


def invented_product(rng: np.random.Generator) -> Product:
    """A product that the warehouse has never stocked: its own brand, colours and words."""
    words = ["".join(rng.choice(_SYLLABLES, size=count)) for count in (3, 2, 2)]
    family = _Family(
        "Invented",
        words[0],
        words[1].title(),
        _colour(rng, saturation=0.25, value=0.85),
        _colour(rng, saturation=0.75, value=0.55),
        ((words[2].title(), f"{rng.integers(2, 60)} pcs", _colour(rng, saturation=0.7, value=0.9)),),
    )
    return _product(family, *family.variants[0], digits=f"{rng.integers(10**7, 10**8)}")


def _product(family: _Family, variant: str, size: str, accent: Colour, digits: str) -> Product:
    sku = f"{family.category}-{variant}".replace(" ", "-")
    return Product(
        sku,
        family.category,
        family.brand,
        family.name,
        variant,
        size,
        family.base,
        family.panel,
        accent,
        digits,
    )


def _colour(rng: np.random.Generator, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(rng.uniform(), saturation, value)
    return int(red * 255), int(green * 255), int(blue * 255)
