"""Ranges of sequences: the same numbers, in as few pairs as can be."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from warehouse.receiving.ranges import Range, count, gaps, merged

RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)).map(lambda pair: (pair[0], pair[0] + pair[1])))


def _numbers(ranges: list[Range]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(RANGES)
def test_merged_ranges_hold_the_same_numbers_and_do_not_touch(ranges: list[Range]) -> None:
    found = merged(ranges)
    assert _numbers(found) == _numbers(ranges)
    assert count(found) == len(_numbers(ranges))
    assert all(second[0] > first[1] + 1 for first, second in pairwise(found))


@given(RANGES, st.integers(0, 80))
def test_gaps_are_what_lacks(ranges: list[Range], highest: int) -> None:
    assert _numbers(gaps(merged(ranges), highest)) == set(range(1, highest + 1)) - _numbers(ranges)
