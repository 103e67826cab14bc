"""GS1 keys: their check digit, and how they are written as URIs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.codes.gs1 import check_digit
from warehouse.connectors.epcis.identifiers import filled_gtin, gln13, is_extension, place_uri, product_uri


@pytest.mark.parametrize("key", ["4006381333931", "036000291452", "96385074", "10012345678902"])
def test_published_gtins_are_taken_and_filled_up(key: str) -> None:
    assert filled_gtin(key) == key.zfill(14)


@given(st.text("0123456789", min_size=12, max_size=12), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(body: str, more: int) -> None:
    whole = body + str(check_digit(body))
    assert gln13(whole) == whole
    for place in (0, 5, 12):
        wrong = whole[:place] + str((int(whole[place]) + more) % 10) + whole[place + 1 :]
        with pytest.raises(ValueError, match="check digit"):
            gln13(wrong)


@pytest.mark.parametrize("text", ["", "123", "4006381333930", "400638133393x", "\uff14006381333931", "+006381333931"])
def test_what_is_no_gtin_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="digit"):
        filled_gtin(text)


@pytest.mark.parametrize(
    ("code", "may"),
    [("WH/Stock/A-01", True), ("A 01", False), ("A" * 21, False), ("Ü-1", False), ("", False), ("#1", False)],
)
def test_what_may_stand_behind_a_gln(code: str, may: bool) -> None:  # noqa: FBT001 - a table
    assert is_extension(code) is may


def test_uris() -> None:
    assert product_uri("04006381333931") == "https://id.gs1.org/01/04006381333931"
    assert place_uri("4012345000009") == "https://id.gs1.org/414/4012345000009"
    assert place_uri("4012345000009", "WH/A+1") == "https://id.gs1.org/414/4012345000009/254/WH%2FA%2B1"
