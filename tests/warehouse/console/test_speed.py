"""What keeps the pages quick where there is much, and that it shows what is there now."""

from datetime import UTC, datetime, timedelta

import pytest
from babel.dates import format_timedelta
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from kardus.contract.verdicts import Verdict
from kardus.support.time_zone import UTC_ZONE
from tests.publishers import Publisher
from tests.warehouse.receiving.making import write
from warehouse.console.pages.content.places import CodePatterns
from warehouse.console.pages.content.products import Products
from warehouse.console.pages.content.rack_codes import RackCodes
from warehouse.console.pages.content.rack_sizes import RackSizes
from warehouse.console.pages.content.tiles import tiles_of
from warehouse.console.pages.words.languages import LANGUAGES, LocalFormat
from warehouse.store.database import Database


@given(st.integers(0, 10**9), st.sampled_from(sorted(LANGUAGES)))
def test_a_duration_that_is_remembered_is_written_as_babel_writes_it(seconds: int, language: str) -> None:
    length = timedelta(seconds=seconds)
    wanted = format_timedelta(length, granularity="second", threshold=1.5, format="short", locale=language)
    assert LocalFormat(language, UTC_ZONE).duration(length) == wanted


def test_a_racks_codes_are_those_of_now(file_database: Database) -> None:
    codes, box = RackCodes(), Publisher()
    write(file_database, *(box.state(code) for code in ("A-03-2-10", "A-03-2-2", "B-01-1-1")))
    with file_database.reading() as connection:
        assert codes.of_rack(connection, "A-03", CodePatterns()) == ["A-03-2-2", "A-03-2-10"]
    gone, _ = box.state("A-03-2-10")
    write(file_database, (gone, b""), box.state("A-03-2-3"))
    with file_database.reading() as connection:
        assert codes.of_rack(connection, "A-03", CodePatterns()) == ["A-03-2-2", "A-03-2-3"]
        assert codes.of_rack(connection, "C-01", CodePatterns()) == []


def test_a_tiles_last_event_is_looked_for_among_the_locations_events_not_the_agents(file_database: Database) -> None:
    box, plans = Publisher(), list[str]()
    write(file_database, box.event("A-01-1", Verdict.MATCH), box.state("A-01-1"))

    def explain(_: object, cursor: object, statement: str, values: object, *__: object) -> None:
        if "events.location" in statement:
            driver = cursor.connection  # type: ignore[attr-defined]  # sqlite3's
            plans.extend(row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}", values))

    event.listen(file_database.engine, "after_cursor_execute", explain)
    with file_database.reading() as connection:
        assert tiles_of(connection, ["A-01-1"], datetime.now(UTC))["A-01-1"].verdict == "match"
    event.remove(file_database.engine, "after_cursor_execute", explain)
    assert any("events_by_location" in plan for plan in plans), plans


def test_how_long_a_racks_tiles_are_is_read_once_a_minute(
    file_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, sizes, products = Publisher(), RackSizes(), Products()
    write(file_database, box.state("A-01-1-01"), box.state("A-01-1-02", Verdict.EMPTY, "Tea" * 40))
    with file_database.reading() as connection:
        first = sizes.of(connection, "A-01", ["A-01-1-01"], products)
        assert sizes.of(connection, "A-01", ["A-01-1-01"], products) is first
        both = sizes.of(connection, "A-01", ["A-01-1-01", "A-01-1-02"], products)
        assert both["A-01-1-02"] > both["A-01-1-01"] + 100
        monkeypatch.setattr("warehouse.console.pages.content.rack_sizes.KEPT_S", 0.0)
        assert sizes.of(connection, "A-01", ["A-01-1-01", "A-01-1-02"], products) is not both
        assert sizes.of(connection, "nowhere", [], products) == {}
    assert sizes._known.keys() == {"A-01"}
