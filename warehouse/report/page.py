"""The report as one page that opens on a phone: everything is in the file, and nothing is fetched from anywhere."""

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from kardus.support.control_characters import escaped
from warehouse.report.coverage import reasons
from warehouse.report.report import MINUTE, Report
from warehouse.report.tables import age_in_words

MAX_PICTURES = 300
"""More would be too much for a phone; the pictures of the oldest alerts are shown."""
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    finalize=lambda value: escaped(value) if type(value) is str else value,
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
_FILTERS: dict[str, Callable[..., Any]] = {
    "age": age_in_words,
    "base64": lambda data: base64.b64encode(data).decode(),
    "minute": lambda moment: datetime.strftime(moment, MINUTE),
    "reasons": reasons,
}
_TEMPLATES.filters |= _FILTERS


def as_page(report: Report, pictures: Mapping[str, bytes]) -> bytes:
    """The page as HTML; `pictures` holds JPEGs by the alert's id."""
    aisles = [(aisle, list(lines)) for aisle, lines in groupby(report.discrepancies, lambda line: line.aisle)]
    page = _TEMPLATES.get_template("page.html.jinja")
    return page.render(report=report, aisles=aisles, pictures=pictures).encode()


def with_pictures(report: Report) -> list[str]:
    """The alerts whose pictures are shown."""
    oldest = sorted((line for line in report.discrepancies if line.alert), key=lambda line: line.since)
    return [line.alert for line in oldest[:MAX_PICTURES]]
