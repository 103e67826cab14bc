"""Outlines that can't be meant are refused, with the location's code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.commissioning.layout_checks import shared, wrong_outline
from kardus.contract.layouts import Layout
from kardus.inference.geometry import rectangle
from tests.edge_agent.config.test_layout_files import laid_out

numbers = st.integers(0, 40)


@given(st.tuples(numbers, numbers), st.tuples(numbers, numbers), st.integers(1, 20), st.integers(1, 20))
def test_upright_rectangles_share_what_a_ruler_says(
    one: tuple[int, int], other: tuple[int, int], first: int, second: int
) -> None:
    sides = [max(0, min(a + first, b + second) - max(a, b)) for a, b in zip(one, other, strict=True)]
    found = shared(
        rectangle(*one, one[0] + first, one[1] + first), rectangle(*other, other[0] + second, other[1] + second)
    )
    assert found == pytest.approx(sides[0] * sides[1] / min(first, second) ** 2)


def test_a_turned_square_in_another() -> None:
    diamond = np.array([[5.0, 0.0], [10.0, 5.0], [5.0, 10.0], [0.0, 5.0]])
    assert shared(rectangle(0, 0, 10, 10), diamond) == pytest.approx(1)
    assert shared(diamond, rectangle(5, 0, 10, 10)) == pytest.approx(0.5)


def test_locations_side_by_side_are_in_order() -> None:
    assert wrong_outline(laid_out(10, "A-1", "A-2", "A-3")) == ""


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        ([[0, 0], [80, 0], [80, 90], [80, 91]], "A-9: its corners don't go round"),
        ([[200, 200], [200, 300], [300, 300], [300, 200]], "A-9: its corners don't go round"),
        ([[200, 200], [215, 200], [215, 300], [200, 300]], "A-9: 15 pixels are too few"),
        ([[900, 400], [961, 400], [960, 500], [900, 500]], "A-9: a corner lies outside the 960 x 540 picture"),
        ([[30, 60], [110, 60], [110, 140], [30, 140]], "A-1 and A-9 lie over each other"),
    ],
)
def test_what_is_wrong_is_said_by_code(corners: list[list[float]], said: str) -> None:
    content = laid_out().model_dump()
    content["locations"] = [*content["locations"], {"id": "A-9", "facings": [corners]}]
    assert wrong_outline(Layout.model_validate(content)).startswith(said)


def test_a_mask_outside_is_said() -> None:
    layout = laid_out().model_copy(update={"mask": (((0, 0), (961, 0), (9, 9)),)})
    assert wrong_outline(layout).startswith("masked area 1: a corner lies outside")
