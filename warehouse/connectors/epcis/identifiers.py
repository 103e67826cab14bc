"""GS1 keys as GS1 Digital Link URIs: products by their GTIN, places by a GLN with the location's code as extension.

Sources: GS1 General Specifications 7.11 (the 82 characters); GS1 Digital Link URI Syntax 1.4.
"""

import re
from urllib.parse import quote

from kardus.codes.gs1 import ITEM_DIGITS, check_digit, has_check_digit, is_number

GS1_RESOLVER = "https://id.gs1.org"
_GLN_LENGTH = 13
_EXTENSION = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,20}")
"""GLN extension component, AI (254): at most 20 of GS1's 82 invariant characters."""


def filled_gtin(text: str) -> str:
    """A GTIN of 8, 12, 13 or 14 digits, filled up to 14 with zeros.

    Raises:
        ValueError: it is none; the text says why.
    """
    if len(text) not in ITEM_DIGITS:
        raise ValueError("a GTIN has 8, 12, 13 or 14 digits")
    _require_key(text)
    return text.zfill(14)


def gln13(text: str) -> str:
    """A GLN of 13 digits, as it is.

    Raises:
        ValueError: it is none; the text says why.
    """
    if len(text) != _GLN_LENGTH:
        raise ValueError("a GLN has 13 digits")
    _require_key(text)
    return text


def is_extension(text: str) -> bool:
    """Whether a text, as a location's code, can stand behind a GLN as its extension."""
    return _EXTENSION.fullmatch(text) is not None


def product_uri(gtin: str) -> str:
    """A class of products (not one carton), of a GTIN of 14 digits."""
    return f"{GS1_RESOLVER}/01/{gtin}"


def place_uri(gln: str, extension: str = "") -> str:
    """A place: a GLN of 13 digits, or a part of that place where an extension is given (`is_extension`)."""
    part = f"/254/{quote(extension, safe='')}" if extension else ""
    return f"{GS1_RESOLVER}/414/{gln}{part}"


def _require_key(text: str) -> None:
    if not is_number(text):
        raise ValueError("holds something that is no digit")
    if not has_check_digit(text):
        raise ValueError(f"its check digit is {check_digit(text[:-1])}, not {text[-1]}")
