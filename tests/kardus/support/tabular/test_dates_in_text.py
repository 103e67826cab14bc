"""A column of codes shows by itself that what looks like a date in it is none."""

from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.support.tabular.dates_in_text import are_codes, is_date


@pytest.mark.parametrize(
    "values",
    [
        "04/03/26 04/32/26",
        "4/3/26 10/3/26 4/45/26",
        "04.03.26 01.02.05 11.12.13",
        "MAR-01 MAR-40 KAS-01",
        "2026-03-04 2026-03-99",
        "3/4/2026 3/40/2026",
        "01.05.24 01.45.24 DOCK-1",
        "1.05.24 1.45.24 2.45.30",
        "12.10.25 12.10.24 X-1",
        "12.10.25 1.10.10",
        "04/03/26 04/03/24",
        "04.03.26 04.13.26",
        "2026-03-04 2026-13-04 RMA",
        "MAR-40 KAS-40",
        "mar-40 kas-40",
    ],
)
def test_what_was_left_as_it_is_shows_that_the_rest_was_too(values: str) -> None:
    assert are_codes(values.split())
    assert are_codes(values.split()[::-1])


def test_a_word_may_have_any_length() -> None:
    assert are_codes(["Mars 50", "Twix 50", "Bounty 57"])


@pytest.mark.parametrize(
    "values",
    [
        "04/03/26 05/03/26",
        "04/03/2026 04/45/26",
        "04/03/26 4/45/26",
        "04.03.2026 4-45",
        "04-Mar A-04",
        "04-Mar",
        "2026-03-04 3-99",
        "Mar-04 3-45",
        "Mar-40 KAS-40",
        "mar-50 KAS-40",
        "Mar-40 Dec-41 KAS-33",
        "01.05.24 1.45.24 DOCK-1",
        "10.05.26 11.05.26 99.01",
        "10.05.26 01.45.24 99-01",
        "12.10.25 X-1 ABC",
        "12.10.25 11.10.26",
        "2026-03-04 DOCK-1",
        "04.03.2026 04.03.2020",
    ],
)
def test_what_has_another_shape_than_the_rest_may_have_been_changed(values: str) -> None:
    assert not are_codes(values.split())
    assert not are_codes(values.split()[::-1])


def test_nothing_is_no_column_of_codes() -> None:
    assert not are_codes([])


@pytest.mark.parametrize("text", ["2510-11-20", "2501-10-20", "04.13.26", "4.13.2026", "10/20/30", "31.02.24"])
def test_what_no_program_writes_is_no_date(text: str) -> None:
    assert not is_date(text)


@pytest.mark.parametrize("text", ["12.12.2567", "04/13/26", "13/04/26", "04.03.26", "4-13-2026", "13-4-2026"])
def test_what_some_program_writes_is_one(text: str) -> None:
    assert is_date(text)


@pytest.mark.parametrize(
    ("pattern", "aisles", "bays", "levels"),
    [
        ("{}.{:02}.{}", range(1, 10), range(1, 41), range(10, 30)),
        ("{:02}.{:02}.{}", range(1, 10), range(1, 29), (20, 21)),
        ("{:02}.{:02}.{}", range(1, 4), range(1, 8), (24, 25)),
        ("{:02}/{:02}/{}", range(1, 10), range(1, 33), (26,)),
    ],
)
def test_racks_whose_codes_look_like_dates(pattern: str, aisles: range, bays: range, levels: range) -> None:
    assert are_codes(pattern.format(*place) for place in product(aisles, bays, levels))


WAYS = st.sampled_from(
    [
        ("{:02}.{:02}.{:02}", "dmy"),
        ("{}.{}.{}", "dmy"),
        ("{:02}/{:02}/{:02}", "dmy"),
        ("{:02}/{:02}/{:02}", "mdy"),
        ("{}/{}/{}", "mdy"),
        ("{2:04}-{1:02}-{0:02}", "dmy"),
        ("{}.{}.{:04}", "dmy"),
        ("{:02}/{:02}/{:04}", "mdy"),
    ]
)
"""How programs write a day, and in which order they read one."""
SMALL = st.integers(1, 9)
PLACES = st.lists(st.tuples(SMALL, st.integers(1, 60), st.integers(20, 29)), min_size=1, unique=True)


def _as_saved(code: str, numbers: tuple[int, int, int], way: str, order: str) -> str:
    """What a program makes of a code."""
    one, other, year = numbers
    month, day = (other, one) if order == "dmy" else (one, other)
    try:
        date(2000 + year, month, day)
    except ValueError:
        return code
    return way.format(one, other, year if ":04" not in way else 2000 + year)


@given(WAYS, PLACES, st.sampled_from("./"), st.sampled_from(["", "DOCK-1", "RMA"]))
def test_a_column_of_which_a_program_changed_some_is_never_taken(
    way: tuple[str, str], places: list[tuple[int, int, int]], between: str, stranger: str
) -> None:
    """But where it left nothing that can tell: days of several years alone."""
    codes = [f"{one}{between}{other}{between}{year}" for one, other, year in places]
    saved = [_as_saved(code, numbers, *way) for code, numbers in zip(codes, places, strict=True)]
    if saved != codes and any(a == b for a, b in zip(saved, codes, strict=True)):
        assert not are_codes([*saved, *([stranger] if stranger else [])])


@given(WAYS, st.lists(st.tuples(SMALL, st.integers(1, 60)), min_size=1, unique=True), st.integers(20, 29))
def test_a_column_of_two_numbers_is_never_taken_once_days_of_this_year_came_of_it(
    way: tuple[str, str], places: list[tuple[int, int]], year: int
) -> None:
    saved = [_as_saved(f"{one}-{other}", (one, other, year), *way) for one, other in places]
    if saved != [f"{one}-{other}" for one, other in places]:
        assert not are_codes([*saved, "DOCK-1"])


@given(PLACES, st.sampled_from("./"), st.tuples(*[st.sampled_from(["{}", "{:02}"])] * 2), st.sampled_from(["", "RMA"]))
def test_a_column_that_nobody_changed_is_taken_where_one_bay_is_no_month_and_no_day(
    places: list[tuple[int, int, int]], between: str, written: tuple[str, str], stranger: str
) -> None:
    pattern = between.join([*written, "{}"])
    codes = [pattern.format(*place) for place in [*places, (1, 45, 24)]]
    assert are_codes([*codes, *([stranger] if stranger else [])])
