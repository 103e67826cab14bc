"""Answers of other systems with something else in one place: another type, another value, or nothing."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from kardus.support.control_characters import STEERING

MAX_LINE_CHARACTERS = 1000
"""Characters of a line."""
MISSING = object()
"""A member that isn't there."""
NAMES = (
    "id",
    "name",
    "code",
    "items",
    "data",
    "result",
    "error",
    "location",
    "sku",
    "quantity",
    "next",
    "total",
    "x\ny",
)
_numbers = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 1e308, -1e308, 2**63, 0, -1, 0.5])
_texts = st.text(max_size=8) | st.sampled_from(["\ud800", "a\nb", "1" * 5000, "", " ", "nan", "A-1", "\x00"])
_scalars = st.none() | st.booleans() | _numbers | _texts
values: st.SearchStrategy[Any] = st.just(MISSING) | st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)
"""Any JSON, and MISSING."""


@dataclass
class Spoiling:
    """Spoils one answer of those that are given, in one place."""

    which: int
    """The answer, counted from 0."""
    place: int
    """Of the places that it has, counted round and round."""
    value: Any
    """What stands there."""
    given: int = 0
    spoilt: bool = False

    def __call__(self, answer: Any) -> Any:
        """The answer that is given instead."""
        self.given += 1
        if self.given - 1 != self.which:
            return answer
        self.spoilt = True
        places = list(_places(answer, ()))
        return _replaced(answer, places[self.place % len(places)], self.value)


spoilings = st.builds(Spoiling, st.integers(0, 6), st.integers(0, 200), values)


def is_line(text: str) -> bool:
    """Whether it is one line at most, not long, and steers no terminal."""
    return len(text.splitlines()) <= 1 and len(text) < MAX_LINE_CHARACTERS and not STEERING.search(text)


def _places(value: Any, here: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield here
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _places(one, (*here, key))


def _replaced(answer: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return None if value is MISSING else value
    found = deepcopy(answer)
    inner = found
    for key in place[:-1]:
        inner = inner[key]
    if value is MISSING:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return found
