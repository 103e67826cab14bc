"""`kardus-wms report`: makes the report from the database and writes it in the requested formats."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from kardus.support.console import out, print_json
from kardus.support.errors import UsageError
from kardus.support.files import require_file_target, write_whole
from kardus.support.time_zone import TimeZone, time_zone
from warehouse.report.page import as_page, with_pictures
from warehouse.report.report import Report, make_report
from warehouse.report.tables import as_csv, as_json, as_text
from warehouse.report.workbook import as_xlsx
from warehouse.store.address import DatabaseAddress
from warehouse.store.reader import StoreReader


@dataclass(frozen=True)
class ReportOptions:
    """The options of `kardus-wms report`."""

    csv: Path | None
    xlsx: Path | None
    html: Path | None
    as_json: bool
    since: datetime | None
    """As the zone's clock shows it; None: midnight."""
    aisle: str
    timezone: str = ""
    """The time zone's name; empty: the machine's own."""


def write_discrepancy_report(database: DatabaseAddress | Path | str, options: ReportOptions) -> None:
    """Write the requested files; JSON, or a table where no file is requested, goes to the standard output.

    Raises:
        KardusError: the database can't be read, an option is wrong, or a file can't be written.
    """
    files = (("--csv", options.csv), ("--xlsx", options.xlsx), ("--html", options.html))
    for name, path in files:
        if path is not None:
            require_file_target(name, path)
    pattern = _pattern(options.aisle)
    zone, now = time_zone(options.timezone), datetime.now(UTC)
    since = _since(options.since, zone) if options.since else zone.midnight(now)
    with StoreReader.open(database) as reader:
        found = make_report(
            reader.site(), reader.site_state(), reader.missing_events(), now, since=since, zone=zone, pattern=pattern
        )
        found = _with_counts(found, reader)
        if options.csv:
            write_whole(options.csv, as_csv(found))
        pictures = _alert_pictures(found, reader) if options.xlsx or options.html else {}
        if options.xlsx:
            write_whole(options.xlsx, as_xlsx(found, pictures))
        if options.html:
            write_whole(options.html, as_page(found, pictures))
    if options.as_json:
        print_json(as_json(found))
    elif not any(path for _, path in files):
        out.print(as_text(found))


def _with_counts(found: Report, reader: StoreReader) -> Report:
    counts = (
        (reader.dead_letter_count(), "messages don't fit the contract: see the table dead_letters"),
        (reader.pending_webhooks(), "alerts wait for the webhook"),
    )
    more = tuple(f"{number} {words}" for number, words in counts if number)
    return replace(found, problems=(*found.problems, *more))


def _alert_pictures(found: Report, reader: StoreReader) -> dict[str, bytes]:
    pictures = ((alert, reader.picture_of_alert(alert)) for alert in with_pictures(found))
    return {alert: jpeg for alert, jpeg in pictures if jpeg is not None}


def _since(clock: datetime, zone: TimeZone) -> datetime:
    try:
        return zone.read(clock)
    except (OverflowError, ValueError) as error:
        raise UsageError(f"--since {clock}: no calendar holds it: give a day of this century") from error


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"--aisle '{text}': not a regular expression ({error})") from error
