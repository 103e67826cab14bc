"""A database of each kind with a small warehouse in it, a client that may do everything, and a browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from tests.publishers import Publisher
from tests.warehouse.conftest import KINDS, empty_database
from tests.warehouse.console.browsing import Browser, running_browser
from tests.warehouse.console.serving import client_of, console_over
from tests.warehouse.receiving.making import write
from warehouse.console.context import Console
from warehouse.store.database import Database
from warehouse.store.opening import open_database


@dataclass(frozen=True)
class Hall:
    """What is in the database."""

    console: Console
    client: TestClient
    box: Publisher
    other: Publisher
    alert: Alert


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests of a file."""
    with running_browser() as found:
        yield found


@pytest.fixture
def hall(database: Database) -> Iterator[Hall]:
    """Two agents; 30 events of 20 locations, an alert with a picture, states and statuses."""
    with _filled(database) as found:
        yield found


@pytest.fixture(scope="module", params=KINDS)
def shared_hall(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, empty_file: bytes
) -> Iterator[Hall]:
    """The same for all tests of a file that change nothing in it: to fill it takes longer than to ask."""
    with (
        empty_database(request, tmp_path_factory.mktemp("hall"), empty_file) as address,
        open_database(address, make=True) as database,
        _filled(database) as found,
    ):
        yield found


@contextmanager
def _filled(database: Database) -> Iterator[Hall]:
    box, other = Publisher(), Publisher("other")
    alert = Alert(id="alert-1", status="open", opened=datetime.now(UTC))
    write(
        database,
        *box.events(29),
        box.event("A-02-1", Verdict.MISMATCH, alert),
        box.picture("A-02-1", box.ids[29]),
        *other.events(3),
        box.state("A-01-1"),
        box.state("A-02-1", Verdict.MISMATCH, seen="Lemon"),
        box.state("A-03-1", Verdict.STALE),
        other.state("A-02-1"),
        other.state("B-01/1"),
        box.online(),
        other.online(),
    )
    console = console_over(database)
    with client_of(console) as client:
        yield Hall(console, client, box, other, alert)
