"""Finds what is wrong with a code of a location or of a product: characters that nobody sees, values that were lost."""

import re
from collections.abc import Iterator

from kardus.contract.messages import MAX_SKU
from kardus.contract.topics import is_location
from kardus.support.spelling import composed
from kardus.support.tabular.tables import EMPTY
from kardus.support.tabular.text_cells import is_error

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_INVISIBLE = re.compile(
    "[\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200b\u200e\u200f\u2028-\u202f"
    "\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d159"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    "|(?<![^\x00-\u052f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\u052f])|[\u200c\u200d]{2}"
)
"""Characters that nobody sees, which Unicode lets programs ignore, and spaces that aren't the usual one, as web pages
have: two codes may look alike and differ. Scripts other than Latin, Greek and Cyrillic need joiners, one between two
letters."""
_NO_CHARACTER = re.compile(
    "[\ufffc\ufffd\ufdd0-\ufdef\ud800-\udfff"
    + "".join(chr(plane + last) for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF))
    + "]"
)
"""What stands for a character that couldn't be read, and what Unicode has set aside (23.7)."""
_LOST = frozenset(
    {
        *("null", "\\n", "nan", "na", "nat", "none", "nil", "undefined", "n/a", "n.a", "n.d", "n/d", "inf", "infinity"),
        *("object object", "pd.na", "dbnull", "system.dbnull", "system.object", "nan(ind", "1.#ind", "1.#inf"),
        *("1.#qnan",),
    }
)
"""What databases and programs write where they have no value, in lower case, without what they put around it."""
_LOST_IN_BRACKETS = re.compile(
    r"[(\[{<](blank|empty|missing|unknown|no value|not set|leer|vide|vac[ií][ao]s?|en blanco|vuoto|vazio"
    r"|em branco|leeg|puste|prázdné|prázdne|üres|tom|tomt|tyhjä|пусто|boş|κενό|kosong)[)\]}>]",
    re.IGNORECASE,
)
"""What pivot tables write there. The word alone may be a product's."""
_AROUND = re.compile(r"^[<(\[{+-]*|(?:\.0*)?[>)\]}.]*$")
_SHOWN = 40
"""So much of a value is cited."""
_EXPONENT = re.compile(r"[0-9]+(?:[.,][0-9]+)?E\+[0-9]+|[0-9]+[.,][0-9]+E-?[0-9]+", re.IGNORECASE)
"""A long number as programs show and save it: its digits are lost. They all write a sign or a fraction: `1E05` is a
code."""
_USUAL = re.compile(
    r"(?![0-9.,]+E|(?:N|INF|UND|PD\.|DB|SYS)[A-Z./]*0*$|[A-Z]+ ?:[0-9]{3}$)"
    r"[A-Z0-9](?:[A-Z0-9_./: -]{0,62}[A-Z0-9])?",
    re.IGNORECASE | re.ASCII,
)
"""A code, of a location or a product, in which nothing can be wrong: most are, and are looked at no further. One that
begins as those of `_LOST` or as errors do is looked at."""


def cited(value: str) -> str:
    """A value as a message has it: a cell may hold whole pages."""
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."


def location_problems(location: str) -> Iterator[str]:
    """Why it can't be told which location is meant."""
    if _USUAL.fullmatch(location):
        return
    location = composed(location)  # some characters become two, and as such they are published
    if not location:
        yield "no location: fill it in, or remove the line"
    elif not is_location(location):
        yield f"location {cited(location)!r} is no code: up to 100 characters, and no control character among them"
    yield from _code_problems("location", location)


def name_problems(location: str, sku: str) -> Iterator[str]:
    """What is wrong with the names of a line; a blank SKU is none."""
    if _USUAL.fullmatch(location) and _USUAL.fullmatch(sku):
        return
    yield from location_problems(location)
    sku = composed(sku)
    yield from _code_problems("sku", sku)
    if _CONTROL.search(sku):
        yield f"sku {cited(sku)!r} has a control character: type it again"
    if len(sku) > MAX_SKU:
        yield f"sku is longer than {MAX_SKU} characters: shorten it"


def _code_problems(name: str, value: str) -> Iterator[str]:
    shown = cited(value)
    if _EXPONENT.fullmatch(value):
        yield f"{name} '{shown}' is a number that lost its digits: format the column as text in its source"
    if _INVISIBLE.search(value):
        yield f"{name} {shown!a} has a character that nobody sees, or a space that is none: type it again"
    if _NO_CHARACTER.search(value):
        yield f"{name} {shown!a} has a character that was lost, or that is none: type it again in its source"
    if _is_lost(value) or is_error(value) or (value and not any(map(str.isalnum, value))):
        yield f"{name} '{shown}' is no name, but a value that was lost: fill it in ({EMPTY} where nothing stands)"


def _is_lost(value: str) -> bool:
    """Whether a value is what a program writes where it has none: `NULL`, `(null)`, `nan.0`, `-inf`, `n.a.`."""
    return _AROUND.sub("", value).lower() in _LOST or _LOST_IN_BRACKETS.fullmatch(value) is not None
