"""GS1's numbers and element strings (GS1 General Specifications 24, sections 3, 7.8 and 7.9)."""

import re

SEPARATOR = "\x1d"
"""What a reader gives for FNC1 behind an element of variable length."""
ITEM_DIGITS = (8, 12, 13, 14)
_IDENTIFIER_DIGITS = {
    **dict.fromkeys((23, 24, 25, 40, 41, 42, 71), 3),
    **dict.fromkeys((39, 43, 70, 72, 80, 81, 82), 4),
}
_IDENTIFIER_DIGITS |= dict.fromkeys(range(31, 37), 4)
"""By its first two digits: how long an application identifier is; 2 where it isn't listed."""
_ELEMENT_DIGITS = {0: 20, 1: 16, 2: 16, 3: 16, 4: 18, **dict.fromkeys(range(11, 20), 8), 20: 4, 41: 16}
_ELEMENT_DIGITS |= dict.fromkeys(range(31, 37), 10)
"""By its first two digits: how long an element of a fixed length is, with its identifier (figure 7.8.5-2)."""
_DIGITAL_LINK = re.compile(r"^https?://[^\s?#]+/01/(\d{8,14})(?:[/?#]|$)")


def check_digit(digits: str) -> int:
    """The digit that follows `digits` in a GS1 key: weights 3, 1, 3, ... from the right, modulo 10 (section 7.9)."""
    weighted = sum(int(digit) * (3, 1)[index % 2] for index, digit in enumerate(reversed(digits)))
    return -weighted % 10


def has_check_digit(number: str) -> bool:
    """Whether a number of digits ends with GS1's check digit."""
    return is_number(number) and len(number) > 1 and check_digit(number[:-1]) == int(number[-1])


def elements(message: str) -> dict[str, str]:
    """The elements of a GS1 message by their application identifier, the first of each; what follows nonsense is left.

    Args:
        message: without parentheses, FNC1 behind an element of variable length as `SEPARATOR`.
    """
    found: dict[str, str] = {}
    rest = message.lstrip(SEPARATOR)
    while rest[2:] and is_number(rest[:2]):
        kind = int(rest[:2])
        identifier = rest[: _IDENTIFIER_DIGITS.get(kind, 2)]
        if not is_number(identifier):
            break
        length = _ELEMENT_DIGITS.get(kind)
        element = rest[:length] if length else rest.partition(SEPARATOR)[0]
        if length and len(element) < length:
            break
        found.setdefault(identifier, element[len(identifier) :])
        rest = rest[len(element) :].lstrip(SEPARATOR)
    return found


def is_number(text: str) -> bool:
    """Whether a text is of digits alone, 0 to 9."""
    return text.isascii() and text.isdigit()


def gtin14(number: str) -> str | None:
    """A trade item's number in 14 digits; None where it is none, or its check digit is wrong."""
    return number.zfill(14) if len(number) in ITEM_DIGITS and has_check_digit(number) else None


def gtin_of_link(text: str) -> str | None:
    """The trade item's number of a GS1 Digital Link (`https://.../01/09506000134352`); None where it is none."""
    found = _DIGITAL_LINK.match(text)
    return gtin14(found.group(1)) if found else None


def location_number(element: str) -> str | None:
    """A location number (GLN, 13 digits); None where it is none, or its check digit is wrong."""
    return element if len(element) == 13 and has_check_digit(element) else None  # noqa: PLR2004 - GS1's length
