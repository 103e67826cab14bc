"""How much was covered day by day: noted while the server runs, and shown as a chart and a table."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from kardus.contract.verdicts import Verdict
from kardus.support.time_zone import time_zone
from tests.publishers import Publisher
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.visiting import Browser, words_of
from tests.warehouse.receiving.making import write
from tests.warehouse.receiving.test_receiver import wait_for
from warehouse.console.context import Console
from warehouse.console.identity.roles import Role
from warehouse.console.pages.content.places import CodePatterns
from warehouse.console.pages.content.products import ProductPhoto, Products
from warehouse.console.pages.routes.coverage_history import CoverageHistory, coverage_by_day
from warehouse.console.pages.settings import PageSettings
from warehouse.console.service import ServerSettings, run_server
from warehouse.store.database import Database
from warehouse.store.tables import coverage_days

HOUR = timedelta(hours=1)
NONE = "\N{EN DASH}"


def products() -> Products:
    """Tea is a drink."""
    found = Products()
    found.add(ProductPhoto("Tea", "drinks", None))
    return found


def history_of(database: Database, zone: str = "UTC") -> CoverageHistory:
    """What a server notes with."""
    return CoverageHistory(database, PageSettings(zone=time_zone(zone), products=products()))


def noted(database: Database) -> list[tuple[str, str, str, int, int]]:
    """All of it."""
    with database.reading() as connection:
        rows = connection.execute(select(coverage_days).order_by(*coverage_days.primary_key)).all()
    return [(row.day, row.kind, row.name, row.total, row.verified) for row in rows]


@pytest.fixture
def hall(database: Database) -> Console:
    """Aisle A: two of three are known; aisle B: one of one."""
    box = Publisher()
    write(database, box.state("A-01-1"), box.state("A-02-1"), box.state("A-03-1", Verdict.STALE), box.state("B-01-1"))
    return console_over(database)


def test_a_day_s_figure_is_that_of_the_last_look_on_it(hall: Console) -> None:
    history, now = history_of(hall.database), datetime.now(UTC)
    day = f"{now.date()}"
    history.note(now)
    assert noted(hall.database) == [
        (day, "aisle", "A", 3, 2),
        (day, "aisle", "B", 1, 1),
        (day, "family", "drinks", 4, 3),
    ]
    write(hall.database, Publisher().state("A-03-1"))
    history.note(now)
    assert noted(hall.database)[0] == (day, "aisle", "A", 3, 3)
    assert len(noted(hall.database)) == 3


def test_days_are_those_of_the_page_s_clock(hall: Console) -> None:
    late = datetime.now(UTC).replace(hour=23, minute=30)
    history_of(hall.database, "Asia/Jakarta").note(late)
    assert {row[0] for row in noted(hall.database)} == {f"{(late + HOUR).date()}"}


def test_nothing_is_noted_of_a_warehouse_that_has_said_nothing(database: Database) -> None:
    history_of(database).note(datetime.now(UTC))
    assert noted(database) == []


def test_trends_show_it_of_all_of_an_aisle_and_of_a_family(hall: Console) -> None:
    history, now = history_of(hall.database), datetime.now(UTC)
    history.note(now)
    with hall.database.writing() as connection:
        before = f"{(now - timedelta(days=2)).date()}"
        rows = [("aisle", "A", 3, 0), ("aisle", "B", 1, 1), ("family", "drinks", 4, 1)]
        for kind, name, total, verified in rows:
            told = {"day": before, "kind": kind, "name": name, "total": total, "verified": verified}
            connection.execute(coverage_days.insert().values(**told))
    browser = Browser(hall, Role.VIEWER, products=products())
    for asked, wanted in (
        ({}, ["25", NONE, "75"]),
        ({"aisle": "A"}, ["0", NONE, "67"]),
        ({"family": "drinks"}, ["25", NONE, "75"]),
        ({"aisle": "none"}, [NONE, NONE, NONE]),
    ):
        shown = browser.get("/trends", params={"days": "7", **asked}).text
        (card,) = re.findall(r"<h2>Coverage a day, in percent</h2>.*?</section>", shown, re.DOTALL)
        assert re.findall(r'<td class="number">([^<]*)</td>', card)[-3:] == wanted
        assert ('<svg class="chart"' in card) == (asked != {"aisle": "none"})
    assert "Coverage a day" not in browser.get("/trends?aisle=A&family=drinks").text
    text = browser.get("/export/trends.csv?days=7").content.decode("utf-8-sig")
    table = [row for row in csv.reader(io.StringIO(text)) if row[0] == "coverage of day"]
    assert table == [
        ["coverage of day", before, "", "", "4", "1"],
        ["coverage of day", f"{now.date()}", "", "", "4", "3"],
    ]
    assert "Cakupan per hari" in words_of(Browser(hall, Role.VIEWER, "id").get("/trends").text)


def test_a_server_notes_it_while_it_runs_and_goes_on_where_the_database_takes_nothing(
    hall: Console, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("warehouse.console.pages.routes.coverage_history.INTERVAL_S", 0.05)
    history = history_of(hall.database)
    history.start()
    wait_for(lambda: len(noted(hall.database)) == 3)
    write(hall.database, Publisher().state("C-01-1"))
    wait_for(lambda: len(noted(hall.database)) == 4)
    with hall.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE coverage_days RENAME TO elsewhere")
    wait_for(lambda: "can't be noted now" in caplog.text)
    with hall.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO coverage_days")
        connection.execute(coverage_days.delete())
    wait_for(lambda: len(noted(hall.database)) == 4)
    history.stop(5)
    assert not history.is_alive
    with hall.database.writing() as connection:
        connection.execute(coverage_days.delete())
    run_server(hall.database.address, ServerSettings(listen="127.0.0.1:0", link=False), None, 1.0)
    assert {row[2] for row in noted(hall.database)} == {"A", "B", "C"}, "a server without products knows no family"


def test_of_very_many_aisles_the_sum_is_noted_and_the_remedy_told_once(
    file_database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where codes have no hyphen, every location passes for an aisle."""
    monkeypatch.setattr("warehouse.console.pages.routes.coverage_history.MAX_AISLES", 2)
    box = Publisher()
    write(file_database, *(box.state(f"A.{n}", Verdict.MATCH if n else Verdict.STALE) for n in range(5)))
    history = history_of(file_database)
    for _ in range(2):
        history.note(datetime.now(UTC))
    assert [row[1:] for row in noted(file_database) if row[1] == "aisle"] == [("aisle", "(others)", 5, 4)]
    assert caplog.text.count("say with --aisle") == 1


def test_locations_that_pass_to_another_aisle_on_a_day_are_counted_once(file_database: Database) -> None:
    box, now = Publisher(), datetime.now(UTC)
    write(file_database, box.state("A.01"), box.state("A.02"))
    history_of(file_database).note(now)
    patterns = CodePatterns(aisle=re.compile(r"^([^.]+)"))
    CoverageHistory(file_database, PageSettings(zone=time_zone("UTC"), patterns=patterns)).note(now)
    with file_database.reading() as connection:
        ((_, found),) = coverage_by_day(connection, now.date(), 1)
    assert found is not None
    assert (found.total, found.verified) == (2, 2)
