"""Messages' texts as both databases read them alike.

JSON allows more than databases do. PostgreSQL's functions refuse a text that has the escape of U+0000 anywhere in it,
and one such row fails every query that comes by it; SQLite cuts it off there. Neither knows Python's `NaN`, and of two
members of one name PostgreSQL takes the last, SQLite the first. So texts are mended before they are stored.
"""

import re

from pydantic_core import from_json, to_json

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
"""Stands for U+0000, as in HTML and in CommonMark."""
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


def without_nul(payload: bytes) -> bytes:
    """JSON whose texts have U+FFFD where they had U+0000, which no column takes; all else stays, to the byte."""
    return _NUL.sub(rb"\1\\ufffd", payload) if b"\\u0000" in payload else payload


def without_nul_text(text: str) -> str:
    """A text with U+FFFD where it had U+0000."""
    return text.replace("\x00", REPLACEMENT)


def once_written(payload: bytes) -> str:
    """JSON with each name once, the last of them as our own parser has it, and null for what is no number.

    Raises:
        ValueError: it isn't JSON.
    """
    return to_json(from_json(payload, cache_strings="keys"), inf_nan_mode="null").decode()


def plain_text(payload: bytes) -> str:
    """The text as it came, unless there may be something in it that is no JSON. A search: it costs next to nothing."""
    return once_written(payload) if b"NaN" in payload or b"Infinity" in payload else payload.decode()
