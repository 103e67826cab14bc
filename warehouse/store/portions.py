"""Long lists of values, a statement's worth at a time: SQLite limits what a statement may be given."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

VALUES_PER_STATEMENT = 500
Given = TypeVar("Given")


def portions(values: Sequence[Given]) -> Iterator[Sequence[Given]]:
    """The values in their order, at most VALUES_PER_STATEMENT at a time."""
    for start in range(0, len(values), VALUES_PER_STATEMENT):
        yield values[start : start + VALUES_PER_STATEMENT]
