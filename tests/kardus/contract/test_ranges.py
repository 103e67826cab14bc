"""Closed ranges of sequences: the same numbers, in as few pairs as can be."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kardus.contract.ranges import Range, count, gaps, merged, ranges_of

RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)).map(lambda pair: (pair[0], pair[0] + pair[1])))


def _numbers(ranges: list[Range]) -> set[int]:
    assert all(first <= last for first, last in ranges)
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(RANGES)
def test_merged_ranges_hold_the_same_numbers_in_order_and_do_not_touch(ranges: list[Range]) -> None:
    found = merged(ranges)
    assert _numbers(found) == _numbers(ranges)
    assert count(found) == len(_numbers(ranges))
    assert all(second[0] > first[1] + 1 for first, second in pairwise(found))


@given(st.lists(st.integers(1, 60)))
def test_numbers_become_ranges_whatever_their_order(numbers: list[int]) -> None:
    assert _numbers(ranges_of(numbers)) == set(numbers)
    assert ranges_of(numbers) == merged(ranges_of(numbers))


@given(RANGES, st.integers(-5, 80), st.integers(-5, 80))
def test_gaps_are_what_lies_in_none_of_the_ranges(ranges: list[Range], first: int, last: int) -> None:
    found = gaps(ranges, first, last)
    assert _numbers(found) == set(range(first, last + 1)) - _numbers(ranges)
    assert found == merged(found)
