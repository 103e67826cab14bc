"""The receiver's tests begin with an empty database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse.receiving.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty one."""
    found = Database(tmp_path / "k.sqlite", make=True)
    yield found
    found.close()
