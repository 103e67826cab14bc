"""The report as tables: for the terminal, .csv and JSON."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from rich.console import Group
from rich.text import Text

from kardus.support.console import table_of
from kardus.support.control_characters import escaped, one_line
from warehouse.report.coverage import reasons
from warehouse.report.report import MINUTE, Report

REPORT_COLUMNS = (
    "list",
    "aisle",
    "location",
    "verdict",
    "expected",
    "seen",
    "since",
    "age_h",
    "action",
    "conflict",
    "note",
)
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula: the last four are the first in full width."""
_CODED = re.compile("_(?=x[0-9a-fA-F]{4}_)")
_CELL_BREAK = re.compile(r"[;\t\r\n][;\s\"]*")
"""Where another cell begins, quoted or not: up to its first letter, so that no character is looked at again."""
_DAY = timedelta(days=1)
CellValue = str | float


def report_rows(report: Report) -> Iterator[tuple[CellValue, ...]]:
    """One line for each discrepancy and each location that wasn't verified, under REPORT_COLUMNS."""
    for line in report.discrepancies:
        yield (
            "discrepancy",
            line.aisle,
            line.location,
            line.verdict,
            line.expected,
            line.seen,
            _moment(line.since),
            round(line.age / timedelta(hours=1), 1),
            line.action,
            line.conflict,
            line.note,
        )
    for old in report.unverified:
        yield ("not verified", old.aisle, old.location, "", "", "", _moment(old.last_verified), "", "", "", old.why)


def as_csv(report: Report) -> bytes:
    """A .csv file, in UTF-8 with the mark by which spreadsheets know it."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(REPORT_COLUMNS)
    writer.writerows([[escape_separated(cell) for cell in row] for row in report_rows(report)])
    return buffer.getvalue().encode("utf-8-sig")


def escape_formula(cell: CellValue) -> CellValue:
    """A cell that no spreadsheet takes for a formula: names come from the warehouse, or from whoever writes to it."""
    if not isinstance(cell, str):
        return cell
    plain = "\r".join(map(escaped, cell.split("\r")))
    return f"'{plain}" if plain.startswith(FORMULA_PREFIXES) else plain


def escape_separated(cell: CellValue) -> CellValue:
    """The same for a .csv, which programs in some languages part at semicolons, tabs or any end of a line too.

    Where decimals have a comma, as in Indonesia, a spreadsheet reads `a;=1+1` as two cells, the second a formula.
    """
    plain = escape_formula(cell)
    return _CELL_BREAK.sub(_as_text, plain) if isinstance(plain, str) else plain


def uncoded(text: str) -> str:
    """A text that Excel shows as it is: it reads `_x0041_` as an A, unless the first `_` is written so itself."""
    return _CODED.sub("_x005F_", text)


def _as_text(found: re.Match[str]) -> str:
    """A break between cells, and what makes a text of the formula behind it."""
    begins_formula = found.string.startswith(FORMULA_PREFIXES, found.end())
    return f"{found.group()}'" if begins_formula else found.group()


def as_json(report: Report) -> dict[str, Any]:
    """A JSON object: times in ISO 8601, ages in seconds."""
    content = asdict(report)
    content["coverage"] = [{**asdict(aisle), "percent": aisle.percent} for aisle in report.coverage]
    content["total"] = {"total": report.total.total, "verified": report.total.verified, "percent": report.total.percent}
    for line in content["discrepancies"]:
        line["age_s"] = line.pop("age").total_seconds()
    plain: dict[str, Any] = json.loads(json.dumps(content, default=lambda moment: moment.isoformat(timespec="seconds")))
    return plain


def as_text(report: Report) -> Group:
    """Tables for the terminal."""
    lines = (
        (
            line.aisle,
            line.location,
            line.expected,
            Text(line.seen or line.verdict, "bold red"),
            age_in_words(line.age),
            "; ".join(
                part for part in (line.action, line.conflict and f"conflict: {line.conflict}", line.note) if part
            ),
        )
        for line in report.discrepancies
    )
    listed = table_of(("aisle", "location", "expected", "seen", "age", "what to do"), lines, _report_title(report))
    counts = ((a.aisle, str(a.total), str(a.verified), f"{a.percent:.1f}") for a in report.coverage)
    figures = ("locations", "verified", "%")
    coverage = table_of(("aisle", *figures), counts, f"Verified now, seen since {report.since:{MINUTE}}", figures)
    why = [
        Text(one_line(f"{number} not verified: {words}")) for number, words in reasons(report.unverified, report.since)
    ]
    old = [
        Text(one_line(f"not verified: {o.location} (last {_minute(o.last_verified)}) {o.why}"))
        for o in report.unverified
    ]
    return Group(
        listed, coverage, *why, *old, *(Text(one_line(f"problem: {words}"), "yellow") for words in report.problems)
    )


def age_in_words(age: timedelta) -> str:
    """In its largest unit: `3 d`, `5 h`, `12 min`."""
    if age >= 2 * _DAY:
        return f"{age // _DAY} d"
    hours, minutes = divmod(int(age.total_seconds()) // 60, 60)
    return f"{hours} h" if hours else f"{minutes} min"


def _report_title(report: Report) -> str:
    total = report.total
    return (
        f"Site {report.site}, {report.made:{MINUTE}} ({report.zone}): {len(report.discrepancies)} discrepancies, "
        f"{total.verified} of {total.total} locations verified ({total.percent:.1f} %)"
    )


def _minute(moment: datetime | None) -> str:
    return f"{moment:{MINUTE}}" if moment else "never"


def _moment(moment: datetime | None) -> str:
    return moment.isoformat(timespec="minutes") if moment else ""
