"""The warehouse's tests begin with an empty database: a SQLite file, or one of a PostgreSQL that runs for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clusters import Cluster
from warehouse.store.database import Database
from warehouse.store.opening import open_database


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database: the one contract holds for both kinds."""
    if request.param == "sqlite":
        return str(tmp_path / "k.sqlite")
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.url(cluster.make_database("kardus_template"))


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    """An empty one, open."""
    with open_database(address, make=True) as found:
        yield found


@pytest.fixture
def file_database(tmp_path: Path) -> Iterator[Database]:
    """An empty SQLite file, for what is SQLite's alone."""
    with open_database(tmp_path / "k.sqlite", make=True) as found:
        yield found
