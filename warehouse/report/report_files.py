"""`kardus-wms report`: makes the report from the database and writes it in the requested formats."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from kardus.support.console import out, print_json
from kardus.support.errors import UsageError
from kardus.support.files import require_file_target, write_whole
from warehouse.receiving.database_reader import DatabaseReader
from warehouse.report.page import as_page, with_pictures
from warehouse.report.report import Report, make_report
from warehouse.report.tables import as_csv, as_json, as_text
from warehouse.report.workbook import as_xlsx


@dataclass(frozen=True)
class ReportOptions:
    """The options of the command."""

    csv: Path | None
    xlsx: Path | None
    html: Path | None
    as_json: bool
    since: datetime | None
    """In local time; None: midnight."""
    aisle: str


def write_discrepancy_report(database: Path, options: ReportOptions) -> None:
    """Write the requested files; JSON, or a table where no file is requested, goes to the standard output.

    Raises:
        KardusError: the database can't be read, an option is wrong, or a file can't be written.
    """
    files = (("--csv", options.csv), ("--xlsx", options.xlsx), ("--html", options.html))
    for name, path in files:
        if path is not None:
            require_file_target(name, path)
    pattern = _pattern(options.aisle)
    with DatabaseReader.open(database) as reader:
        now = datetime.now().astimezone()
        since = options.since.astimezone() if options.since else now.replace(hour=0, minute=0, second=0, microsecond=0)
        found = make_report(
            reader.site(), reader.site_state(), reader.missing_events(), now, since=since, pattern=pattern
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


def _with_counts(found: Report, reader: DatabaseReader) -> Report:
    counts = (
        (reader.dead_letter_count(), "messages don't fit the contract: see the table dead_letters"),
        (reader.pending_webhooks(), "alerts wait for the webhook"),
    )
    more = tuple(f"{number} {words}" for number, words in counts if number)
    return replace(found, problems=(*found.problems, *more))


def _alert_pictures(found: Report, reader: DatabaseReader) -> dict[str, bytes]:
    pictures = ((alert, reader.picture_of_alert(alert)) for alert in with_pictures(found))
    return {alert: jpeg for alert, jpeg in pictures if jpeg is not None}


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"--aisle '{text}': not a regular expression ({error})") from error
