"""How a text is encoded is known by its mark or as UTF-8; else it is guessed, with Windows-1252 before its likes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.support.encodings import likely_encodings, marked_encoding

WESTERN = "location;sku\nA-1;Müsli\nA-2;Crème brûlée\nA-3;Smørrebrød, økologisk\nA-4;Piñata 1½ €\n"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_text_with_a_mark_is_decoded_by_it(encoding: str, text: str) -> None:
    content = text.encode(encoding)
    assert content.decode(marked_encoding(content) or "") == text


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufeff\0")))
def test_utf_8_needs_no_mark(text: str) -> None:
    assert marked_encoding(text.encode()) == "utf-8"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (WESTERN, "cp1252"),
        ("location;sku\nA-1;Café\n", "cp1252"),
        ("location;sku\nA-1;Żółty ser\nA-2;Śliwka\nA-3;Łosoś\n", "cp1250"),
        ("location;sku\nA-1;Чай зелёный\nA-2;Молоко\n", "cp1251"),
    ],
)
def test_the_likeliest_is_guessed(text: str, encoding: str) -> None:
    content = text.encode(encoding)
    assert marked_encoding(content) is None
    (found,) = likely_encodings(content)
    assert content.decode(found) == text


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("Čaj žlutý", "cp1250"),
        ("Čaj žlutý", "iso-8859-2"),
        ("Çay şeker", "cp1254"),
        ("Žalioji arbata", "cp1257"),
        ("Чай зелёный", "koi8-r"),
        ("お茶", "shift_jis"),
        ("녹차", "euc-kr"),
        ("绿茶", "gb18030"),
        ("Käse", "cp850"),
        ("Café", "cp437"),
    ],
)
@pytest.mark.parametrize("lines", [2, 200])
def test_few_letters_beyond_ascii_are_read_as_they_are_or_not_at_all(name: str, encoding: str, lines: int) -> None:
    text = "location,sku\n" + "".join(f"A-{number},{name} {number}\n" for number in range(lines))
    found = likely_encodings(text.encode(encoding))
    assert len(found) != 1 or text.encode(encoding).decode(found[0]) == text
