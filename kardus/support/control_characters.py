"""Escapes control characters in texts from outside: what would steer a terminal, or mislead whoever reads it."""

import re

_PLANE_ENDS = "".join(chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF))
STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed: escape sequences begin with one
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing
    "\u2028\u2029"  # ends of lines that not everybody takes for such
    "\u00ad\u180e\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"  # what nobody sees
    f"\ufdd0-\ufdef{_PLANE_ENDS}"  # no characters: no XML may hold those of the first plane
    "\ud800-\udfff]"  # half a character
)
"""What no text that is shown may hold."""


def escaped(text: str) -> str:
    """The text with such characters as Python writes them (an ESC as four characters); all others as they are."""
    return STEERING.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def one_line(text: str) -> str:
    """The same, for a text that stands in a line of its own: it mustn't begin another one."""
    return escaped(text).replace("\n", "\\n").replace("\t", "\\t")
