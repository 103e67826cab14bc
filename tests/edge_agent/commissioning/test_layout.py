"""Grids of slots, and what a slot can expect of its pixels."""

import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.commissioning.layout import as_toml, expected_accuracy, grid, side_px
from edge_agent.config.cameras import LocationSection
from kardus.contract.manifest import Metric, PixelAccuracy
from kardus.inference.geometry import is_convex, rectangle

OUTLINE = ((100.0, 50.0), (900.0, 50.0), (900.0, 650.0), (100.0, 650.0))
SLANTED = ((100.0, 50.0), (900.0, 90.0), (880.0, 600.0), (120.0, 650.0))


def _curve(*points: tuple[int, float]) -> list[PixelAccuracy]:
    return [
        PixelAccuracy(side_px=side, accuracy=Metric(name="class", value=value, n=100, low=0, high=1))
        for side, value in points
    ]


def test_level_one_is_the_lowest_and_position_one_the_leftmost() -> None:
    slots = grid(OUTLINE, 2, 4, "A-{level}-{position:02}", gap=0.0)
    assert [name for name, _ in slots] == [f"A-{level}-0{position}" for level in (1, 2) for position in (1, 2, 3, 4)]
    corners = dict(slots)
    assert corners["A-1-01"].round(6).tolist() == rectangle(100, 350, 300, 650).tolist()
    assert corners["A-2-04"].round(6).tolist() == rectangle(700, 50, 900, 350).tolist()


def test_the_gap_is_left_between_neighbours() -> None:
    (_, first), (_, second) = grid(OUTLINE, 1, 2, "{position}", gap=0.1)
    assert second[0][0] - first[1][0] == pytest.approx(40)
    assert first[0].tolist() == pytest.approx([120, 80])


@given(st.integers(1, 6), st.integers(1, 8), st.floats(0, 0.5))
def test_every_slot_of_a_slanted_rack_goes_round_and_lies_within(levels: int, positions: int, gap: float) -> None:
    slots = grid(SLANTED, levels, positions, "L{level}P{position}", gap)
    assert len(slots) == levels * positions
    for _, corners in slots:
        assert is_convex(corners)
        assert (corners >= [99.99, 49.99]).all()
        assert (corners <= [900.01, 650.01]).all()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("A-01", "use {level} and {position}"),
        ("A-{position}", "several slots one code"),
        ("A-{level}-{bay}", "only {level} and {position}"),
        ("A-{level}-{position", "only {level} and {position}"),
        ("A-{level}-{position:zz}", "only {level} and {position}"),
    ],
)
def test_a_code_that_does_not_tell_the_slots_apart_is_refused(code: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"code|use|only") as refused:
        grid(OUTLINE, 2, 2, code, 0.1)
    assert said in str(refused.value)


def test_the_tables_are_what_the_configuration_reads() -> None:
    slots = grid(SLANTED, 2, 2, 'A "{level}"\\{position}', 0.1)
    tables = tomllib.loads("[[cameras]]\n" + as_toml(slots))["cameras"][0]["locations"]
    for (name, corners), table in zip(slots, tables, strict=True):
        location = LocationSection.model_validate(table | {"id": "x"})
        assert table["id"] == name
        assert np.abs(np.array(location.quadrilaterals[0]) - corners).max() < 0.1


def test_pixels_that_are_too_few_are_told_with_what_is_needed() -> None:
    curve = _curve((32, 0.4), (64, 0.8), (128, 0.97), (224, 0.98))
    few = expected_accuracy(curve, "A", None, rectangle(0, 0, 300, 63))
    assert few.side_px == 63
    assert few.accuracy == pytest.approx(0.4 + 0.4 * 31 / 32)
    assert few.advice == "128 px or more: move the camera closer, or use a longer lens"
    enough = expected_accuracy(curve, "A", 2, rectangle(0, 0, 300, 500))
    assert (enough.facing, enough.accuracy, enough.advice) == (2, 0.98, "")


def test_a_bundle_without_a_curve_promises_nothing() -> None:
    found = expected_accuracy([], "A", None, rectangle(0, 0, 20, 20))
    assert (found.accuracy, found.advice) == (None, "")


def test_the_side_of_a_slanted_slot_is_the_mean_of_two() -> None:
    assert side_px(np.array([[0.0, 0], [100, 0], [100, 60], [0, 40]])) == 50
