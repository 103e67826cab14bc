"""A column of codes shows by itself that what looks like a date in it is none."""

import pytest

from kardus.support.dates_in_text import are_codes


@pytest.mark.parametrize(
    "values",
    [
        "04/03/26 04/32/26",
        "4/3/26 10/3/26 4/45/26",
        "04.03.26 01.02.05 11.12.13",
        "MAR-01 MAR-40 KAS-01",
        "2026-03-04 2026-03-99",
        "3/4/2026 3/40/2026",
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
    ],
)
def test_what_has_another_shape_than_the_rest_may_have_been_changed(values: str) -> None:
    assert not are_codes(values.split())
    assert not are_codes(values.split()[::-1])


def test_nothing_is_no_column_of_codes() -> None:
    assert not are_codes([])
