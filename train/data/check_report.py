"""The findings of `check-data`, as a self-contained HTML page."""

from collections import Counter
from pathlib import Path

from kardus.support.files import write_whole
from train.data.check import DataProblem, DataReport, Severity, thumbnail
from train.data.data_set import Sample
from train.html_page import CaptionedCrop, render

SHOWN = 8
"""How many photos are shown of a finding at most."""


def write_data_report(path: Path, checked: DataReport) -> None:
    """Write the page, whole or not at all."""
    data = checked.data
    weights = Counter(finding.weight for finding in checked.findings)
    splits = sorted({sample.split for sample in data.samples})
    counts = Counter((sample.name, sample.split) for sample in data.samples)
    page = render(
        "data/check_report.html.jinja",
        title=f"{data.source.name}: what was found",
        checked=checked,
        summary=", ".join(f"{weights[weight]} {weight}s" for weight in Severity),
        findings=[(finding, _pictures(finding), len(finding.photos) - SHOWN) for finding in checked.findings],
        header=("class", "SKU", "category", *(split or "photos" for split in splits)),
        rows=[(c.name, c.sku, c.category, *(counts[c.name, split] for split in splits)) for c in data.classes],
    )
    write_whole(path, page)


def _pictures(finding: DataProblem) -> list[CaptionedCrop]:
    return [(thumbnail(sample.path), _caption(sample)) for sample in finding.photos[:SHOWN]]


def _caption(sample: Sample) -> str:
    return f"{sample.path.name} ({sample.name}{', ' + sample.split if sample.split else ''})"
