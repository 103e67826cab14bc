"""The drawn products have the founding study's shape, and siblings differ in their variant only."""

from collections import defaultdict

import numpy as np

from simulator.catalogue import Product, catalogue, invented_product, products


def _families() -> dict[str, list[Product]]:
    families: dict[str, list[Product]] = defaultdict(list)
    for product in products():
        families[product.category].append(product)
    return families


def test_there_are_14_classes_of_11_products_in_4_categories() -> None:
    classes = catalogue()
    assert len({drawn.name for drawn in classes}) == len(classes) == 14
    assert len({drawn.product.sku for drawn in classes}) == 11
    assert len({drawn.product.category for drawn in classes}) == 4


def test_three_products_have_a_side_of_their_own() -> None:
    sides = [drawn for drawn in catalogue() if drawn.face == "side"]
    assert len(sides) == 3
    assert all(drawn.name == f"{drawn.product.sku}-Side" for drawn in sides)
    assert {drawn.face for drawn in catalogue()} == {"face", "side"}


def test_siblings_share_brand_name_and_ground_and_differ_in_variant_and_accent() -> None:
    for siblings in _families().values():
        assert len(siblings) in (2, 3)
        assert len({(p.brand, p.name, p.base, p.panel) for p in siblings}) == 1
        assert len({p.variant for p in siblings}) == len(siblings)
        assert len({p.accent for p in siblings}) == len(siblings)


def test_categories_share_neither_brand_nor_panel() -> None:
    firsts = [siblings[0] for siblings in _families().values()]
    assert len({p.brand for p in firsts}) == len({p.panel for p in firsts}) == 4


def test_every_category_has_a_barcode_of_its_own() -> None:
    assert len({product.digits for product in products()}) == 4


def test_the_order_of_the_classes_is_fixed() -> None:
    assert catalogue() == catalogue()
    assert [drawn.name for drawn in catalogue()][:2] == ["Tea-Original", "Tea-Lemon"]


def test_an_invented_product_is_none_of_ours() -> None:
    ours = products()
    invented = [invented_product(np.random.default_rng(seed)) for seed in range(50)]
    assert not {p.brand for p in invented} & {p.brand for p in ours}
    assert not {p.sku for p in invented} & {p.sku for p in ours}
    assert len({(p.brand, p.name, p.variant) for p in invented}) > 45
    assert invented_product(np.random.default_rng(3)) == invented[3]
