"""A camera that looks at another rack is told by its labels; one that looks at its own never is."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kardus.codes.labels import RackLabel
from kardus.codes.rack_check import other_rack
from kardus.inference.geometry import Float64Array, rectangle

CODES = [f"A-01-1-{number:02}" for number in range(1, 6)]


def _outlines(codes: list[str]) -> list[tuple[str, Float64Array]]:
    return [(code, rectangle(200 * n + 10, 50, 200 * n + 190, 250)) for n, code in enumerate(codes)]


def _label(code: str, place: int, *, above: bool = False) -> RackLabel:
    top = 20 if above else 255
    return RackLabel(code, rectangle(200 * place + 60, top, 200 * place + 140, top + 25))


def test_its_own_labels_are_right_below_and_above() -> None:
    for above in (False, True):
        assert other_rack([_label(code, n, above=above) for n, code in enumerate(CODES)], _outlines(CODES)) == ""


def test_another_bay_is_told_with_what_its_labels_say() -> None:
    seen = [_label(f"A-02-1-{n + 1:02}", n) for n in range(5)]
    assert "A-02-1-01, A-02-1-02, A-02-1-03 and 2 more" in other_rack(seen, _outlines(CODES))


def test_a_camera_turned_by_two_positions_is_told_though_it_sees_its_own_labels() -> None:
    seen = [_label(CODES[n + 2], n) for n in range(3)]
    assert "are where other locations were" in other_rack(seen, _outlines(CODES))


def test_one_exchanged_label_or_one_alone_says_nothing() -> None:
    seen = [_label(code, n) for n, code in enumerate(CODES[:4])]
    assert other_rack([*seen, _label("A-09-9-99", 4)], _outlines(CODES)) == ""
    assert other_rack([_label("A-09-9-99", 4)], _outlines(CODES)) == ""
    assert other_rack([], _outlines(CODES)) == ""


def test_a_camera_of_one_location_is_told_by_one_label() -> None:
    assert other_rack([_label("A-02-1-01", 0)], _outlines(CODES[:1])) != ""


def test_codes_of_another_form_are_no_labels_of_locations() -> None:
    assert other_rack([_label(f"LOT{n}", n) for n in range(5)], _outlines(CODES)) == ""


@given(st.sets(st.integers(0, 4)), st.floats(-30, 30), st.floats(-30, 30))
def test_whatever_of_its_own_is_read_is_right(which: set[int], x: float, y: float) -> None:
    seen = [RackLabel(CODES[n], _label(CODES[n], n).corners + np.array([x, y])) for n in which]
    assert other_rack(seen, _outlines(CODES)) == ""
