"""Homographies map corners onto corners and back, and only convex clockwise corners pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.inference.geometry import Float64Array, homography, is_convex, project, rectangle

SQUARE = rectangle(0, 0, 100, 100)


@st.composite
def quads(draw: st.DrawFn) -> Float64Array:
    """Convex clockwise quadrilaterals: a square of 100 whose corners are pulled about, then scaled and moved."""
    pulls = draw(st.lists(st.floats(-20, 20), min_size=8, max_size=8))
    scale, x, y = draw(st.floats(0.1, 20)), draw(st.floats(-500, 2000)), draw(st.floats(-500, 2000))
    corners: Float64Array = (SQUARE + np.array(pulls).reshape(4, 2)) * scale + [x, y]
    return corners


def test_a_rectangle_begins_top_left_and_goes_round_clockwise() -> None:
    assert rectangle(1, 2, 3, 4).tolist() == [[1, 2], [3, 2], [3, 4], [1, 4]]


@given(quads(), quads())
def test_a_homography_maps_corner_onto_corner(source: Float64Array, target: Float64Array) -> None:
    matrix = homography(source, target)
    assert matrix[2, 2] == 1
    assert np.allclose(project(matrix, source), target, atol=1e-3)


@given(quads(), st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=1, max_size=5))
def test_points_come_back_through_the_inverse(target: Float64Array, points: list[tuple[float, float]]) -> None:
    there = project(homography(SQUARE, target), np.array(points))
    assert np.allclose(project(homography(target, SQUARE), there), points, atol=1e-3)


@given(quads())
def test_the_diagonals_still_cross_in_the_middle_of_the_square(target: Float64Array) -> None:
    middle = project(homography(SQUARE, target), np.array([[50.0, 50.0]]))[0]
    first, second = target[2] - target[0], target[3] - target[1]
    for corner, along in ((target[0], first), (target[1], second)):
        off = (middle - corner)[0] * along[1] - (middle - corner)[1] * along[0]
        assert abs(off) <= 1e-6 * float(along @ along)


def test_corners_on_one_line_are_refused() -> None:
    line = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    with pytest.raises(ValueError, match="lie on one line"):
        homography(line, SQUARE)


@given(quads(), st.integers(0, 3))
def test_a_convex_quadrilateral_is_convex_from_every_corner_on(corners: Float64Array, start: int) -> None:
    assert is_convex(np.roll(corners, start, axis=0))


@given(quads())
def test_going_round_the_other_way_is_not_convex(corners: Float64Array) -> None:
    assert not is_convex(corners[::-1])


@given(quads())
def test_crossed_corners_are_not_convex(corners: Float64Array) -> None:
    assert not is_convex(corners[[0, 2, 1, 3]])


@pytest.mark.parametrize("last", [(80, 20), (50, 50), (100, 0)], ids=["dented", "flat", "repeated"])
def test_a_dent_a_flat_corner_and_a_repeated_one_are_not_convex(last: tuple[int, int]) -> None:
    corners = SQUARE.copy()
    corners[3] = last
    assert not is_convex(corners)
