"""Long lists of values, a statement's worth at a time: SQLite limits what a statement may be given."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

VALUES_PER_STATEMENT = 500
Value = TypeVar("Value")


def portions(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """The values in their order, at most VALUES_PER_STATEMENT at a time."""
    for start in range(0, len(values), VALUES_PER_STATEMENT):
        yield values[start : start + VALUES_PER_STATEMENT]
