"""Notes on what a stock list may say, but somebody may not have meant: nothing is refused."""

import unicodedata
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from kardus.support.tabular.tables import Row

EXAMPLES = 5
"""So many are named."""
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
"""Writing programs make longer ones of a hyphen."""


def with_columns(rows: Iterable[Row], found: set[str]) -> Iterator[Row]:
    """The rows, as they come; the columns of the first are noted."""
    for row in rows:
        if not found:
            found.update(row.values)
        yield row


def list_notes(locations: Iterable[str], columns: Collection[str], read: Collection[str]) -> Iterator[str]:
    """What is to be said of a list, of its locations, of all its columns, and of those that would be read."""
    others = sorted(set(columns) - set(read))
    if others and "quantity" not in columns:
        named = ", ".join(f"'{name}'" for name in others[:EXAMPLES])
        yield (
            f"no column 'quantity', so that no line can say 0 (found also: {named}): if one of them is it, "
            "name it with --columns quantity=NAME"
        )
    alike = list(islice(_alike(locations), EXAMPLES))
    if alike:
        yield f"locations that look alike and count as two: {'; '.join(alike)}: write each as its rack's agent has it"


def _alike(locations: Iterable[str]) -> Iterator[str]:
    """Pairs that differ in the case of their letters, in the kind of a dash or in full width alone."""
    known: dict[str, str] = {}
    for location in locations:
        other = known.setdefault(spelling_key(location), location)
        if other != location:
            yield f"'{other}' and '{location}'"


def spelling_key(code: str) -> str:
    """What is the same for codes that differ in the case of their letters, the kind of a dash or full width alone."""
    return code.upper() if code.isascii() else unicodedata.normalize("NFKC", code).translate(_DASHES).upper()
