"""Errors are one line, whatever is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.support.errors import BundleError, KardusError, UsageError


@given(st.text())
def test_an_error_is_one_printable_line(text: str) -> None:
    shown = str(KardusError(text))
    assert shown.isprintable()
    assert len(f"error: {shown}".splitlines()) == 1
    shown.encode()  # no half of a surrogate pair is left


@given(st.text().filter(str.isprintable))
def test_what_can_be_printed_is_kept_as_it_is(text: str) -> None:
    assert str(KardusError(text)) == text


@pytest.mark.parametrize("error", [BundleError, UsageError])
def test_breaks_and_terminal_codes_are_shown_escaped(error: type[KardusError]) -> None:
    assert str(error("golden sample a\n/2.png\x1b[2J\u2028")) == r"golden sample a\n/2.png\x1b[2J\u2028"
    assert str(error("a path that is no UTF-8: \udcff")) == r"a path that is no UTF-8: \udcff"
