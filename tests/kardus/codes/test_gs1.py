"""GS1's numbers and element strings."""

from hypothesis import given
from hypothesis import strategies as st

from kardus.codes.gs1 import SEPARATOR, elements, gtin14, gtin_of_link, has_check_digit, location_number

GLN = "8991234500010"


def test_a_check_digit_is_told_right_from_wrong() -> None:
    assert has_check_digit("4006381333931")
    assert not has_check_digit("4006381333932")
    assert not has_check_digit("")
    assert not has_check_digit("٣٣٣٣")  # digits, but not GS1's


@given(st.text("0123456789", min_size=12, max_size=12), st.integers(0, 11), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(digits: str, place: int, by: int) -> None:
    number = next(digits + check for check in "0123456789" if has_check_digit(digits + check))
    changed = number[:place] + str((int(number[place]) + by) % 10) + number[place + 1 :]
    assert not has_check_digit(changed)


def test_elements_of_fixed_and_variable_length() -> None:
    assert elements(f"414{GLN}254A-01-3-05") == {"414": GLN, "254": "A-01-3-05"}
    assert elements(f"10LOT7{SEPARATOR}0118991234500017") == {"10": "LOT7", "01": "18991234500017"}
    assert elements(f"{SEPARATOR}254AISLE 4{SEPARATOR}414{GLN}") == {"254": "AISLE 4", "414": GLN}
    assert elements("3103001750") == {"3103": "001750"}


def test_what_is_cut_off_is_no_element() -> None:
    assert elements("414899123450") == {}
    assert elements(f"254A-01{SEPARATOR}01189912") == {"254": "A-01"}


@given(st.text(max_size=60))
def test_any_text_is_read(message: str) -> None:
    for identifier in elements(message):
        assert identifier.isdigit()


def test_what_follows_an_identifier_that_is_none_is_left() -> None:
    assert elements("0104006381333931310:000000") == {"01": "04006381333931"}
    assert elements("39\x1d0104006381333931") == {}


def test_items_are_brought_to_14_digits() -> None:
    assert gtin14("4006381333931") == "04006381333931"
    assert gtin14("96385074") == "00000096385074"
    assert gtin14("4006381333932") is None
    assert gtin14("4006") is None
    assert gtin_of_link("https://id.example.org/01/09506000134352/10/ABC?x=1") == "09506000134352"
    assert gtin_of_link("https://id.example.org/01/09506000134353") is None
    assert gtin_of_link("A-01-2-03") is None


def test_a_location_number_has_13_digits_and_its_check_digit() -> None:
    assert location_number(GLN) == GLN
    assert location_number("8991234500011") is None
    assert location_number("96385074") is None
