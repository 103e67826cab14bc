"""`kardus-wms report`: the report from the database into the files that are wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from kardus.support.console import out, print_json
from kardus.support.errors import UsageError
from kardus.support.files import require_file_target, write_whole
from warehouse.receiving.archive import Archive
from warehouse.report.page import as_page, with_pictures
from warehouse.report.report import Report, make_report
from warehouse.report.tables import as_csv, as_json, as_text
from warehouse.report.workbook import as_xlsx


@dataclass(frozen=True)
class Wanted:
    """The options of the command."""

    csv: Path | None
    xlsx: Path | None
    html: Path | None
    as_json: bool
    since: datetime | None
    """In local time; None: midnight."""
    aisle: str


def report(database: Path, wanted: Wanted) -> None:
    """Write what is wanted; without a file, or with JSON, to the standard output.

    Raises:
        KardusError: the database can't be read, an option is wrong, or a file can't be written.
    """
    files = (("--csv", wanted.csv), ("--xlsx", wanted.xlsx), ("--html", wanted.html))
    for option, path in files:
        if path is not None:
            require_file_target(option, path)
    pattern = _pattern(wanted.aisle)
    with Archive.open(database) as archive:
        now = datetime.now().astimezone()
        since = wanted.since.astimezone() if wanted.since else now.replace(hour=0, minute=0, second=0, microsecond=0)
        found = make_report(archive.site(), archive.latest(), archive.lacks(), now, since=since, pattern=pattern)
        found = _with_counts(found, archive)
        if wanted.csv:
            write_whole(wanted.csv, as_csv(found))
        pictures = _pictures(found, archive) if wanted.xlsx or wanted.html else {}
        if wanted.xlsx:
            write_whole(wanted.xlsx, as_xlsx(found, pictures))
        if wanted.html:
            write_whole(wanted.html, as_page(found, pictures))
    if wanted.as_json:
        print_json(as_json(found))
    elif not any(path for _, path in files):
        out.print(as_text(found))


def _with_counts(found: Report, archive: Archive) -> Report:
    counts = (
        (archive.dead_letters(), "messages don't fit the contract: see the table dead_letters"),
        (archive.webhooks_waiting(), "alerts wait for the webhook"),
    )
    more = tuple(f"{number} {words}" for number, words in counts if number)
    return replace(found, problems=(*found.problems, *more))


def _pictures(found: Report, archive: Archive) -> dict[str, bytes]:
    pictures = ((alert, archive.picture_of_alert(alert)) for alert in with_pictures(found))
    return {alert: jpeg for alert, jpeg in pictures if jpeg is not None}


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"--aisle '{text}': not a regular expression ({error})") from error
