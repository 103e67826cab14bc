"""A carton is printed the same every time, and every product otherwise."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from simulator.catalogue import catalogue, products
from simulator.drawing import LAYOUTS, SIDE_PX, draw_carton


@pytest.mark.parametrize("face", LAYOUTS)
def test_every_face_is_a_square_rgb_picture(face: str) -> None:
    carton = draw_carton(products()[0], face)
    assert (carton.size, carton.mode) == ((SIDE_PX, SIDE_PX), "RGB")


def test_the_same_product_gives_the_same_picture() -> None:
    for drawn in catalogue()[:3]:
        assert draw_carton(drawn.product, drawn.face).tobytes() == draw_carton(drawn.product, drawn.face).tobytes()


def test_no_two_classes_look_alike() -> None:
    pictures = [np.asarray(draw_carton(drawn.product, drawn.face), dtype=int) for drawn in catalogue()]
    for index, one in enumerate(pictures):
        for other in pictures[:index]:
            assert (np.abs(one - other).max(axis=2) > 40).mean() > 0.02


def test_siblings_differ_in_variant_accent_and_size_only() -> None:
    for one, other in itertools.permutations(products(), 2):
        if one.category == other.category:
            disguised = replace(one, variant=other.variant, accent=other.accent, size=other.size)
            for face in ("face", "side"):
                assert draw_carton(disguised, face).tobytes() == draw_carton(other, face).tobytes()


def test_the_layouts_differ_from_each_other() -> None:
    assert len({draw_carton(products()[0], face).tobytes() for face in LAYOUTS}) == len(LAYOUTS) == 4


def test_the_carton_shows_its_ground_panel_and_accent() -> None:
    product = products()[0]
    pixels = np.asarray(draw_carton(product))
    colours = {tuple(int(v) for v in pixel) for pixel in pixels.reshape(-1, 3)}
    assert product.panel in colours
    assert product.accent in colours
    assert np.abs(pixels[215, 150:160].mean(axis=0) - product.base).max() < 8
