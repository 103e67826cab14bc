"""The warehouse's tests begin with an empty database: a SQLite file, or one of a PostgreSQL that runs for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clusters import Cluster
from warehouse.store.database import Database
from warehouse.store.opening import open_database

KINDS = ["sqlite", "postgresql"]


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A SQLite file with its tables: Alembic makes them once, for a tenth of the time that most tests take."""
    path = tmp_path_factory.mktemp("empty") / "k.sqlite"
    open_database(path, make=True).close()
    return path.read_bytes()


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path, empty_file: bytes) -> Iterator[str]:
    """Of an empty database: the one contract holds for both kinds."""
    with empty_database(request, tmp_path, empty_file) as found:
        yield found


@contextmanager
def empty_database(request: pytest.FixtureRequest, folder: Path, empty_file: bytes) -> Iterator[str]:
    """The address of one of the kind that `request` is for: a file in the folder, or one of the cluster's."""
    if request.param == "sqlite":
        (folder / "k.sqlite").write_bytes(empty_file)
        yield str(folder / "k.sqlite")
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.make_database("kardus_template")
    yield cluster.url(name)
    cluster.drop_database(name)


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    """An empty one, open."""
    with open_database(address, make=True) as found:
        yield found


@pytest.fixture
def file_database(tmp_path: Path, empty_file: bytes) -> Iterator[Database]:
    """An empty SQLite file, for what is SQLite's alone."""
    (tmp_path / "k.sqlite").write_bytes(empty_file)
    with open_database(tmp_path / "k.sqlite", make=True) as found:
        yield found
