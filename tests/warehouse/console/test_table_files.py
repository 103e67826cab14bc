"""Table files are written while they are sent: the first bytes soon, in little memory, and nobody is kept waiting."""

import asyncio
import csv
import io
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from sqlalchemy import insert, select

from kardus.support.time_zone import time_zone
from tests.publishers import Publisher
from tests.warehouse.console.serving import console_over
from tests.warehouse.console.visiting import Browser
from tests.warehouse.receiving.making import write
from warehouse.console.identity.roles import Role
from warehouse.console.pages.tables import exports
from warehouse.console.pages.tables.table_files import ExportedValue, table_file
from warehouse.store.database import Database
from warehouse.store.tables import audit

ODD: tuple[ExportedValue, ...] = (
    "a\nb\tc",
    'x & <y> "z"',
    "_x0041_",
    " end ",
    "=1+1",
    "\x1b[2J",
    "Ā漢😀",
    17,
    0.25,
    None,
)
SHOWN = ["a\nb\tc", 'x & <y> "z"', "_x0041_", " end ", "'=1+1", "\\x1b[2J", "Ā漢😀", 17, 0.25, None]


def parts_of(kind: str, rows: Iterator[tuple[ExportedValue, ...]]) -> Iterator[bytes]:
    """What is sent, piece by piece."""
    response = table_file("list", kind, ("what", "number"), rows)
    coming = response.body_iterator  # type: ignore[attr-defined]  # a streaming response's
    with asyncio.Runner() as runner:
        while True:
            try:
                yield runner.run(anext(coming))
            except StopAsyncIteration:
                return


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_first_bytes_need_few_of_the_rows_and_the_rest_little_memory(kind: str) -> None:
    asked = 0

    def rows() -> Iterator[tuple[ExportedValue, ...]]:
        nonlocal asked
        for asked in range(1, 60_001):
            yield (f"{asked * 7919 % 1_000_003:x} stands where it should", asked)

    parts = parts_of(kind, rows())
    assert next(parts)
    assert asked < 3000
    tracemalloc.start()
    size = sum(len(part) for part in parts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert asked == 60_000
    assert size > 300_000
    assert peak < 2_000_000


def test_odd_cells_are_shown_as_what_they_are() -> None:
    sheet = load_workbook(io.BytesIO(b"".join(parts_of("xlsx", iter([ODD, ("\r", "q" * 40_000)]))))).active
    assert sheet is not None
    assert [cell.value or None for cell in sheet[2]] == [*SHOWN[:2], "_x005F_x0041_", *SHOWN[3:]], (
        "Excel reads _x005F_ as _"
    )
    assert (sheet["A3"].value, len(str(sheet["B3"].value))) == ("'_x000D_", 32_767)
    text = b"".join(parts_of("csv", iter([ODD]))).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text, newline="")))[1] == [str("" if cell is None else cell) for cell in SHOWN]


def test_who_did_what_is_read_in_portions_and_keeps_no_writer_waiting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "ROWS_PER_QUERY", 10)
    box, console = Publisher(), console_over(database)
    rows = [
        {
            "at": datetime.now(UTC),
            "actor": "user:Wati",
            "address": "",
            "action": "picture",
            "subject": f"{n}",
            "detail": "",
        }
        for n in range(95)
    ]
    with database.writing() as connection:
        connection.execute(insert(audit), rows)
    coming = exports.latest_first(console, select(audit), audit.c.number)
    found = [next(coming).subject]
    write(database, box.event())  # would wait for whoever reads
    with database.writing() as connection:
        connection.execute(insert(audit), [{**rows[0], "subject": "later"}])
    found += [row.subject for row in coming]
    assert found == [f"{n}" for n in reversed(range(95))]
    text = Browser(console, Role.SUPERVISOR).get("/export/audit.csv").content.decode("utf-8-sig")
    assert [row[5] for row in csv.reader(io.StringIO(text))][2:] == ["later", *found], (
        "after the reader's own coming in"
    )


def test_no_cell_of_a_csv_is_a_formula_where_a_spreadsheet_parts_it_at_semicolons() -> None:
    assert b"a;'=1+1" in b"".join(parts_of("csv", iter([("a;=1+1", "x")])))


def test_what_goes_wrong_before_the_first_row_is_told_as_an_error() -> None:
    def broken(number: int) -> tuple[ExportedValue, ...]:
        raise ValueError("the database is away")

    with pytest.raises(ValueError, match="away"):
        table_file("list", "csv", ("what",), map(broken, range(3)))


def test_a_moment_is_a_date_by_the_page_s_clock_for_people_and_utc_for_programs(file_database: Database) -> None:
    moment = datetime(2026, 12, 1, 17, 15, 55, tzinfo=UTC)
    with file_database.writing() as connection:
        row = {"actor": "Wati", "address": "", "action": "sign-in", "subject": "", "detail": ""}
        connection.execute(insert(audit).values(at=moment, **row))
    browser = Browser(console_over(file_database), Role.SUPERVISOR, zone=time_zone("Asia/Jakarta"))
    sheet = load_workbook(io.BytesIO(browser.get("/export/audit.xlsx").content)).active
    assert sheet is not None
    heading, *rows = sheet.iter_rows(values_only=True)
    column = heading.index("When (Asia/Jakarta)")
    assert datetime(2026, 12, 2, 0, 15, 55) in [row[column] for row in rows]  # noqa: DTZ001 - a clock's time
    table = list(csv.reader(io.StringIO(browser.get("/export/audit.csv").content.decode("utf-8-sig"))))
    assert "2026-12-01T17:15:55.000Z" in [row[table[0].index("at")] for row in table[1:]]


@given(st.datetimes(datetime(1901, 1, 1), datetime(2199, 1, 1)))  # noqa: DTZ001
def test_a_date_cell_is_read_as_the_same_clock_time(moment: datetime) -> None:
    content = b"".join(parts_of("xlsx", iter([(moment.replace(tzinfo=UTC), 1)])))
    sheet = load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    read = sheet.cell(2, 1).value
    assert isinstance(read, datetime)
    assert abs(read - moment) < timedelta(seconds=0.002)
    assert sheet.column_dimensions["A"].width >= len("2026-12-01 10:20:30"), "else it is shown as ####"
