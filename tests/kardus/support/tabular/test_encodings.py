"""How a text is encoded is known by its mark or as UTF-8; else it is guessed, with Windows-1252 before its likes."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kardus.support.tabular.encodings import first_line_of_another, likely_encodings, marked_encoding

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


CZECH = ("Džus jablečný", "Čokoláda hořká", "Mléko plnotučné", "Rýže dlouhozrnná", "Žvýkačky", "Šťáva", "Sýr uzený")
RUSSIAN = ("Чай черный", "Молоко 2,5%", "Шоколад горький", "Рис длинный", "Кофе молотый", "Сок яблочный", "Вода")
JAPANESE = ("ウーロン茶", "緑茶 500ml", "牛乳", "チョコレート", "天然水", "お米 5kg", "黒糖", "しょうゆ")
CHINESE = ("绿茶 500ml", "牛奶", "巧克力饼干", "方便面 牛肉", "矿泉水", "大米 5公斤", "酱油", "红糖")
TRADITIONAL = ("烏龍茶", "綠茶 500ml", "牛奶", "巧克力餅乾", "礦泉水", "白米 5公斤", "醬油", "黑糖")
KOREAN = ("우롱차", "녹차 500ml", "우유", "초콜릿 과자", "라면 소고기", "쌀 5kg", "간장", "흑설탕")
GREEK = ("Τσάι πράσινο", "Γάλα", "Σοκολάτα", "Ρύζι", "Καφές", "Χυμός μήλου", "Ψωμί")
# as a Vietnamese keyboard types it into Windows-1258: vowels with their sign, tones behind them
VIETNAMESE = ("Trà xanh", "Sư\u0303a tươi", "Cà phê ho\u0300a tan", "Nươ\u0301c mă\u0301m", "Đươ\u0300ng tră\u0301ng")


@pytest.mark.parametrize("lines", [1, 3, 60])
@pytest.mark.parametrize(
    ("encoding", "products"),
    [
        *(("cp1250", CZECH), ("iso8859_2", CZECH), ("cp852", CZECH), ("cp1258", VIETNAMESE)),
        *(("cp1251", RUSSIAN), ("koi8_r", RUSSIAN), ("cp866", RUSSIAN), ("iso8859_5", RUSSIAN)),
        *(("mac_cyrillic", RUSSIAN), ("cp1253", GREEK), ("cp737", GREEK), ("cp932", JAPANESE), ("euc_jp", JAPANESE)),
        *(("gb18030", CHINESE), ("big5", TRADITIONAL), ("cp949", KOREAN)),
    ],
)
def test_a_list_is_read_rightly_or_its_encoding_is_asked_for(
    encoding: str, products: tuple[str, ...], lines: int
) -> None:
    drawn = random.Random(lines)
    text = "location,sku,quantity\n" + "".join(f"A-{n},{drawn.choice(products)},{n % 40}\n" for n in range(lines))
    content = text.encode(encoding)
    found = [] if first_line_of_another(content) else likely_encodings(content)
    assert len(found) != 1 or content.decode(found[0]) == text, found


CZECH_WORDS = "Čaj Káva Mléko Rýže Omáčka Sušenky Čokoláda Džus Prášek Mýdlo Kapesníky Žárovka Pomeranč Banán Sůl Kečup"
POLISH_WORDS = "Żółty Śliwka Łosoś Mąka Cukierki Źródło Sól Świeca Proszę Pączek Jabłko Masło Chałwa Ślimak Gęś Mięso"


@pytest.mark.parametrize("words", [CZECH_WORDS, POLISH_WORDS])
def test_many_words_of_one_language_show_the_encoding(words: str) -> None:
    text = "location;sku\n" + "".join(f"A-{n};{name} {n}\n" for n, name in enumerate(words.split() * 9))
    (found,) = likely_encodings(text.encode("cp1250"))
    assert text.encode("cp1250").decode(found) == text
    few = "".join(text.splitlines(keepends=True)[:8])
    found_of_few = likely_encodings(few.encode("cp1250"))
    assert len(found_of_few) != 1 or few.encode("cp1250").decode(found_of_few[0]) == few
