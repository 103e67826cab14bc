"""How many statements a file has."""

import pytest

from tests.scripts.statements import statements


@pytest.mark.parametrize(
    ("source", "count"),
    [("", 0), ('"""Of a file."""\nx = 1\n', 1), ("x = (\n 1 +\n 2\n)\n", 1), ("x = 1; y = 2\n", 2)],
)
def test_joined_and_broken_lines_and_docstrings_do_not_count(source: str, count: int) -> None:
    assert statements(source) == count


def test_a_function_counts_with_what_is_in_it() -> None:
    assert statements('def f():\n    """Of it."""\n    if x:\n        return 1\n') == 3
