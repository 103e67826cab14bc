"""What `check-data` found, as one page that needs no other file."""

from __future__ import annotations

import html
from collections import Counter
from pathlib import Path

from kardus.support.files import write_whole
from train.data.check import Checked, Finding, Weight, thumbnail
from train.data.data_set import Sample
from train.pages import page, photo, table

SHOWN = 8
"""The most photos that a finding shows."""


def write_report(path: Path, checked: Checked) -> None:
    """Write the page, whole or not at all."""
    data = checked.data
    counts = Counter(finding.weight for finding in checked.findings)
    summary = ", ".join(f"{counts[weight]} {weight}s" for weight in Weight)
    size = f"{len(data.samples)} photos, {checked.readable} of them readable, of {len(data.classes)} classes"
    parts = [
        f"<p class='lead'>{size}: {summary}.</p>",
        *map(_section, checked.findings),
        "<h2>Photos of each class</h2>",
        _classes(checked),
    ]
    write_whole(path, page(f"{data.source.name}: what was found", parts))


def _section(finding: Finding) -> str:
    figures = "".join(photo(thumbnail(sample.path), _caption(sample)) for sample in finding.photos[:SHOWN])
    more = len(finding.photos) - SHOWN
    rest = f"<p>and {more} more</p>" if more > 0 else ""
    return (
        f"<section class='{finding.weight}'><p><b>{finding.weight}</b>: {html.escape(finding.what)}: "
        f"{html.escape(finding.remedy)}.</p>{figures}{rest}</section>"
    )


def _caption(sample: Sample) -> str:
    return f"{sample.path.name} ({sample.name}{', ' + sample.split if sample.split else ''})"


def _classes(checked: Checked) -> str:
    splits = sorted({sample.split for sample in checked.data.samples})
    counts = Counter((sample.name, sample.split) for sample in checked.data.samples)
    rows: list[tuple[str | int, ...]] = [
        (info.name, info.sku, info.category, *(counts[info.name, split] for split in splits))
        for info in checked.data.classes
    ]
    return table(("class", "SKU", "category", *(split or "photos" for split in splits)), rows)
