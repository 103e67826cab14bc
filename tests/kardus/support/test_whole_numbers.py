"""A number from outside is read, or none: no error of Python's own comes of it."""

import pytest

from kardus.support.whole_numbers import whole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("65535", 65535),
        ("0" * 5000 + "7", 7),
        ("65536", None),
        ("9" * 5000, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        (" 1", None),
        ("1_0", None),
        ("1.0", None),
        ("²", None),
        ("٣", None),
    ],
)
def test_plain_digits_up_to_a_limit_are_a_number(text: str, number: int | None) -> None:
    assert whole_number(text, 65535) == number
