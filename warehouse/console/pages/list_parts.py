"""Divides long lists into parts, so that no page is larger than a phone on a bad network takes well.

Parts are filled by about how many bytes each entry comes to, and not by number: a task with comments, or an agent with
eight cameras in trouble, is many times as long as another.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from fastapi import Query

T = TypeVar("T")
PART_BYTES = 160_000
"""About so much HTML is in a part, of the 200,000 bytes that a page may have: what stands around it is in no sum."""
MAX_PART = 100_000
PartNumber = Annotated[int, Query(ge=1, le=MAX_PART, alias="part")]


@dataclass(frozen=True)
class ListPart(Generic[T]):
    """What is shown of a list."""

    entries: Sequence[T]
    number: int
    """Which part it is, from 1."""
    parts: int
    """How many there are, 1 at least."""
    total: int
    """Entries of the whole list."""


def part_of(
    entries: Sequence[T],
    number: int,
    bytes_of: Callable[[T], int],
    most_bytes: int = PART_BYTES,
    wanted: Callable[[T], bool] | None = None,
) -> ListPart[T]:
    """A part of a list; the last one, where it has fewer.

    Args:
        entries: the whole list.
        number: which part, from 1.
        bytes_of: about how long an entry is as HTML; one that is longer than a part has one of its own.
        most_bytes: of a part; less where other lists stand beside this one.
        wanted: the part with the first entry of which this is so is meant, whatever its number; where none is,
            the number counts.
    """
    begins = _begins(entries, bytes_of, most_bytes)
    found = next((place for place, entry in enumerate(entries) if wanted(entry)), None) if wanted else None
    shown = min(number, len(begins)) if found is None else bisect_right(begins, found)
    end = begins[shown] if shown < len(begins) else len(entries)
    return ListPart(entries[begins[shown - 1] : end], shown, len(begins), len(entries))


def _begins(entries: Sequence[T], bytes_of: Callable[[T], int], most_bytes: int) -> list[int]:
    """Where each part begins."""
    begins, filled = [0], 0
    for place, entry in enumerate(entries):
        size = bytes_of(entry)
        if filled and filled + size > most_bytes:
            begins.append(place)
            filled = 0
        filled += size
    return begins


def written(*texts: str | None) -> int:
    """About so many bytes texts take as HTML."""
    return sum(len(text.encode(errors="replace")) for text in texts if text)
