"""What is asked for few events of an agent doesn't go through all of them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy import event as sqlalchemy_event

from tests.publishers import Publisher
from tests.warehouse.receiving.making import write
from warehouse.console.api.corrections import correction_question
from warehouse.console.live.later_states import _last_event
from warehouse.store.database import Database

QUESTIONS: dict[str, Callable[[Connection, Publisher, dict[str, Any]], object]] = {
    "a label's look": lambda connection, box, said: correction_question(
        connection,
        SimpleNamespace(event=box.ids[0], location=said["location"], agent=box.topics.agent),  # type: ignore[arg-type]
    ),
    "the event of a state": lambda connection, box, said: _last_event(connection, box.topics.agent, said),
}


def _plans(database: Database, ask: Callable[[], object]) -> list[str]:
    """How SQLite goes through the tables for what is asked."""
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, values: Any, *___: object) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            asked.append((statement, values))

    sqlalchemy_event.listen(database.engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        sqlalchemy_event.remove(database.engine, "before_cursor_execute", note)
    with database.reading() as connection:
        found = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", values) for words, values in asked]
        return [row[3] for rows in found for row in rows if "events" in row[3]]


def test_events_that_come_once_more_are_found_by_their_place(file_database: Database) -> None:
    box = Publisher()
    write(file_database, *box.events(3))
    plans = _plans(file_database, lambda: write(file_database, *box.sent))
    assert any("events_by_sequence (epoch=? AND sequence=?)" in plan for plan in plans)
    assert not any("events_by_agent" in plan for plan in plans)


@pytest.mark.parametrize("what", QUESTIONS)
def test_what_is_asked_about_one_location_goes_by_it(file_database: Database, what: str) -> None:
    box = Publisher()
    write(file_database, *box.events(3))
    said = {"location": "A-01-1", "epoch": box.epoch, "sequence": 2}

    def ask() -> None:
        with file_database.reading() as connection:
            QUESTIONS[what](connection, box, said)

    plans = _plans(file_database, ask)
    assert plans
    assert not any("events_by_agent" in plan for plan in plans)
