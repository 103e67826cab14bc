"""A rack's openings lie in the picture, and a carton stands in its opening."""

import numpy as np
import pytest
from PIL import Image

from kardus.inference.geometry import is_convex, rectangle
from simulator.pictures import generator
from simulator.scene import Rack, put_carton, put_recess


@pytest.mark.parametrize(("levels", "positions"), [(1, 1), (3, 5), (10, 20)])
def test_every_opening_is_convex_and_inside_the_picture(levels: int, positions: int) -> None:
    slots = Rack(levels=levels, positions=positions).slots()
    assert len({slot.location for slot in slots}) == levels * positions
    for slot in slots:
        assert is_convex(slot.corners)
        assert (slot.corners >= 0).all()
        assert (slot.corners <= [1920, 1080]).all()


def test_no_two_openings_overlap() -> None:
    boxes = [(slot.corners.min(axis=0), slot.corners.max(axis=0)) for slot in Rack().slots()]
    for index, (low, high) in enumerate(boxes):
        for other_low, other_high in boxes[:index]:
            assert (high < other_low).any() or (other_high < low).any()


def test_codes_count_levels_from_below_and_positions_from_the_left() -> None:
    middles = {slot.location: slot.corners.mean(axis=0) for slot in Rack(aisle="B", bay=7).slots()}
    assert middles["B-07-2-01"][1] < middles["B-07-1-01"][1]
    assert middles["B-07-1-02"][0] > middles["B-07-1-01"][0]


def test_the_bare_rack_fills_the_picture_and_is_drawn_by_its_generator() -> None:
    rack = Rack(width_px=640, height_px=360)
    first, second, other = (rack.background(generator(seed)) for seed in (1, 1, 2))
    assert (first.size, first.mode) == ((640, 360), "RGB")
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != other.tobytes()


def test_a_recess_is_drawn_inside_its_opening_only() -> None:
    image = Image.new("RGB", (100, 80))
    put_recess(image, rectangle(20, 10, 80, 70), generator(0))
    pixels = np.asarray(image)
    assert pixels[10:70, 20:80].min() > 30
    pixels = pixels.copy()
    pixels[9:72, 19:82] = 0
    assert pixels.max() == 0


def test_a_carton_covers_most_of_its_opening_and_hardly_anything_else() -> None:
    carton = Image.new("RGB", (320, 320), (250, 10, 10))
    shares = []
    for seed in range(40):
        image = Image.new("RGB", (200, 200))
        put_carton(image, carton, rectangle(50, 50, 150, 150), generator(seed))
        red = np.asarray(image)[:, :, 0] > 125
        shares.append(red[50:150, 50:150].mean())
        assert red.sum() - red[46:154, 46:154].sum() == 0
    assert min(shares) > 0.6
    assert len(set(shares)) > 30


def test_a_carton_stands_on_the_floor_of_its_opening() -> None:
    for seed in range(20):
        image = Image.new("RGB", (200, 200))
        put_carton(image, Image.new("RGB", (320, 320), (250, 10, 10)), rectangle(50, 50, 150, 150), generator(seed))
        rows = np.flatnonzero((np.asarray(image)[:, :, 0] > 125).any(axis=1))
        assert 140 <= rows.max() <= 155
