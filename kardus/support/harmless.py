"""Texts from outside, shown as what they are: what would steer a terminal or mislead its reader is escaped."""

import re

_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed: escape sequences begin with one
    "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing
    "\ufdd0-\ufdef\ufffe\uffff"  # no characters: no XML may hold them
    "\ud800-\udfff]"  # half a character
)


def escaped(text: str) -> str:
    """The text with such characters as Python writes them (an ESC as four characters); all others as they are."""
    return _STEERING.sub(lambda found: found.group().encode("unicode_escape").decode(), text)
