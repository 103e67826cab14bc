"""Closed ranges of sequences: (first, last) pairs, both ends included, first <= last. Pure functions."""

from collections.abc import Iterable

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


def ranges_of(numbers: Iterable[int]) -> list[Range]:
    """Numbers as ranges."""
    return merged((number, number) for number in numbers)


def gaps(ranges: Iterable[Range], first: int, last: int) -> list[Range]:
    """What of first..last lies in none of the ranges."""
    result = []
    for low, high in merged(ranges):
        if first < low and first <= last:
            result.append((first, min(low - 1, last)))
        first = max(first, high + 1)
    return [*result, (first, last)] if first <= last else result


def count(ranges: Iterable[Range]) -> int:
    """How many numbers there are in ranges that don't overlap."""
    return sum(last - first + 1 for first, last in ranges)
