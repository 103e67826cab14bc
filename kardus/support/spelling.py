"""One spelling for what looks the same: Unicode writes an e with an accent as one character (NFC) or as two (NFD).

A Mac's folders come in NFD, what is typed or exported elsewhere in NFC. Every name that is compared with one of another
origin (a class, a product, a location) is composed where it comes in.
"""

import unicodedata
from pathlib import Path

from kardus.support.errors import DataError


def composed(text: str) -> str:
    """The text in NFC."""
    return unicodedata.normalize("NFC", text)


def decomposed(text: str) -> str:
    """The text in NFD."""
    return unicodedata.normalize("NFD", text)


def require_utf8(path: Path) -> None:
    r"""Require a name that tables, pages and logs can hold: an archive of an old computer may bring others.

    Raises:
        DataError: it has bytes that aren't UTF-8; the message shows them as `\xe9`.
    """
    name = str(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
        raise DataError(f"{shown}: its name isn't UTF-8: rename it, or its folder (convmv does whole trees)") from None


def find_spelt(folder: Path, relative: str) -> Path:
    """The file of that name below `folder`, in the spelling that the disk has; as written, if there is none."""
    found = folder
    for part in Path(relative).parts:
        ways = (part, composed(part), decomposed(part))
        found /= next((way for way in ways if (found / way).exists()), part)
    return found
