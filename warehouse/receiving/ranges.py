"""Arithmetic with ranges of sequences: (first, last) pairs, both ends included, first <= last. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Range = tuple[int, int]


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same numbers in as few ranges as can be, in order."""
    result: list[Range] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], last))
        else:
            result.append((first, last))
    return result


def gaps(covered: Sequence[Range], highest: int) -> list[Range]:
    """What lacks from 1 to `highest`; `covered` as `merged` gives it."""
    result, following = [], 1
    for first, last in covered:
        if following < first and following <= highest:
            result.append((following, min(first - 1, highest)))
        following = last + 1
    return [*result, (following, highest)] if following <= highest else result


def count(ranges: Iterable[Range]) -> int:
    """How many numbers there are in ranges that don't overlap."""
    return sum(last - first + 1 for first, last in ranges)
