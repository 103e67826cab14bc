"""Whom table files are meant for.

Programs read a .csv: names of its columns and words are the API's, the same in every language. People read an .xlsx:
its headings, and what it says, are in theirs.
"""

from collections.abc import Sequence
from datetime import datetime

from fastapi import Request, Response

from kardus.support.time_zone import TimeZone
from warehouse.console.pages.rendering import translator
from warehouse.console.pages.tables.cell_words import translated_rows
from warehouse.console.pages.tables.table_files import TableRows, table_file
from warehouse.console.pages.words.languages import N_

HEADING_WORDS = {
    "action": N_("What to do"),
    "actor": N_("Who"),
    "address": N_("From"),
    "agent": N_("Agent"),
    "aisle": N_("Aisle"),
    "alert": N_("Alert"),
    "alert_status": N_("State of the alert"),
    "at": N_("When"),
    "by": N_("By"),
    "camera": N_("Camera"),
    "camera_status": N_("State of the camera"),
    "candidate": N_("Offered model"),
    "captured": N_("Picture taken"),
    "claim": N_("Claim"),
    "confidence": N_("Confidence"),
    "conflict": N_("Conflict"),
    "corrected": N_("Corrected"),
    "detail": N_("Detail"),
    "discrepancies": N_("Discrepancies"),
    "disk_free_mb": N_("Free on the disk (MB)"),
    "done_by": N_("Done by"),
    "event": N_("Event"),
    "expected": N_("Expected"),
    "high": N_("At most"),
    "in_doubt": N_("in doubt"),
    "judged": N_("Judged"),
    "key": N_("Of what"),
    "last_picture": N_("Last picture"),
    "level": N_("Level"),
    "location": N_("Location"),
    "locations": N_("Locations"),
    "low": N_("At least"),
    "made": N_("Added"),
    "match": N_("match"),
    "median_minutes": N_("Minutes (median)"),
    "model": N_("Model"),
    "name": N_("Name"),
    "no_view": N_("no view"),
    "note": N_("Note"),
    "number": N_("Number"),
    "online": N_("Online"),
    "phase": N_("State of the model"),
    "rack": N_("Rack"),
    "reason": N_("Reason"),
    "right": N_("Right"),
    "role": N_("Role"),
    "seen": N_("Seen"),
    "sha256": N_("SHA-256"),
    "share": N_("Share"),
    "since": N_("Since"),
    "sku": N_("SKU"),
    "status": N_("State"),
    "subject": N_("Of what"),
    "taken_by": N_("Taken by"),
    "to_check": N_("to check"),
    "truth": N_("What stands there"),
    "verdict": N_("Verdict"),
    "verified": N_("Verified"),
    "version": N_("Version"),
    "waiting": N_("Waits to be sent"),
}
"""By the name of a column in a .csv."""
_ALSO = {("audit", "action"): N_("What")}
"""Of a list in which the name means something else."""


_MOMENTS = frozenset({"at", "captured", "last_picture", "made", "since"})
"""Columns of moments: by the page's clock for people, and their headings say which that is."""
READ_BY_PEOPLE = "xlsx"
"""The kind of file."""


def exported_table(request: Request, name: str, kind: str, header: Sequence[str], rows: TableRows) -> Response:
    """A list's file, as `table_file` writes it, in the words of whom it is meant for.

    Raises:
        ProblemError: 404: there is no such kind.
    """
    if kind != READ_BY_PEOPLE:
        return table_file(name, kind, header, rows)
    _ = translator(request)
    zone: TimeZone = request.app.state.page.zone
    shown = [_(_ALSO.get((name, one), HEADING_WORDS[one])) for one in header]
    shown = [f"{text} ({zone.name})" if one in _MOMENTS else text for one, text in zip(header, shown, strict=True)]
    translated = translated_rows(name, header, rows, _)
    clocked = ([zone.of(cell) if isinstance(cell, datetime) else cell for cell in row] for row in translated)
    return table_file(name, kind, shown, clocked)
