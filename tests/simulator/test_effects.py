"""Wear, light and the camera change a picture as far as they are told, and by the generator alone."""

import numpy as np
import pytest
from PIL import Image

from simulator.effects import compressed, light_gain, photographed, worn
from simulator.pictures import generator

GREY = Image.new("RGB", (96, 64), (120, 120, 120))


def _pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=int)


def test_the_same_generator_gives_the_same_photo() -> None:
    first, second, other = (photographed(worn(GREY, generator(s)), generator(s, 1)) for s in (5, 5, 6))
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()


def test_a_photo_keeps_its_size_and_mode() -> None:
    shown = photographed(GREY, generator(0))
    assert (shown.size, shown.mode) == (GREY.size, "RGB")


def test_wear_leaves_the_carton_itself_alone() -> None:
    before = GREY.tobytes()
    for seed in range(20):
        worn(GREY, generator(seed))
    assert GREY.tobytes() == before


def test_no_wear_changes_nothing() -> None:
    assert all(worn(GREY, generator(seed), amount=0).tobytes() == GREY.tobytes() for seed in range(20))


def test_wear_is_common_and_covers_little() -> None:
    shares = [(_pixels(worn(GREY, generator(seed))) != 120).any(axis=2).mean() for seed in range(200)]
    assert 0.5 < np.mean(np.array(shares) > 0) < 0.95
    assert max(shares) < 0.5


def test_less_wear_occurs_less_often() -> None:
    full, little = (
        sum(worn(GREY, generator(seed), amount).tobytes() != GREY.tobytes() for seed in range(200))
        for amount in (1.0, 0.3)
    )
    assert little < full / 1.5


def test_light_is_about_1_everywhere() -> None:
    for seed in range(30):
        gain = light_gain((20, 30), generator(seed))
        assert gain.shape == (20, 30, 3)
        assert 0.2 < gain.min() <= gain.max() < 3


def test_no_light_change_is_a_gain_of_1() -> None:
    assert light_gain((4, 5), generator(1), amount=0) == pytest.approx(np.ones((4, 5, 3)))


def test_compression_keeps_the_picture_roughly() -> None:
    noisy = Image.fromarray(np.random.default_rng(0).integers(90, 150, (64, 64, 3), dtype=np.uint8))
    good, bad = (np.abs(_pixels(compressed(noisy, quality)) - _pixels(noisy)).mean() for quality in (95, 10))
    assert 0 < good < bad < 40
