"""Statements are made once: SQLAlchemy takes longer to make one than a database to run it."""

import pytest

from tests.publishers import Publisher
from tests.warehouse.receiving.making import write
from warehouse.store import rowsets
from warehouse.store.database import Database


def test_the_events_of_a_batch_need_no_new_statement(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    box = Publisher()
    write(database, *box.events(3))
    make = rowsets._table
    monkeypatch.setattr(rowsets, "_table", lambda *what: made.append(what) or make(*what))  # type: ignore[func-returns-value]
    assert write(database, *box.events(3)).events == 3
    assert made == []
    assert write(database, *box.sent[:1], *Publisher("other").events(2)).events == 2
    assert made  # of what is known, and of an agent that is new, there are questions that are rarely asked
