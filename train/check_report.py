"""What `check-data` found, as one page that needs no other file."""

from __future__ import annotations

import base64
import html
import io
from collections import Counter
from pathlib import Path

from PIL import Image

from edge_agent.files import write_whole
from train.check import Checked, Finding, Weight, thumbnail
from train.data import Sample

SHOWN = 8
"""The most photos that a finding shows."""
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem;color:#1f2328}
table{border-collapse:collapse;margin:1rem 0} td,th{padding:.3rem .7rem;border-bottom:1px solid #d0d7de;text-align:left}
td.n{text-align:right} section{border-left:4px solid #8c959f;padding:.2rem 1rem;margin:1rem 0}
section.error{border-color:#cf222e} section.warning{border-color:#bf8700}
figure{display:inline-block;margin:.3rem .6rem .3rem 0;vertical-align:top;width:140px}
figcaption{font-size:12px;color:#59636e;overflow-wrap:anywhere}
"""


def write_report(path: Path, checked: Checked) -> None:
    """Write the page, whole or not at all."""
    data = checked.data
    counts = Counter(finding.weight for finding in checked.findings)
    summary = ", ".join(f"{counts[weight]} {weight}s" for weight in Weight)
    title = html.escape(data.source.name)
    page = [
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}: check</title>",
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style>",
        f"<h1>{title}</h1><p>{len(data.samples)} photos, {checked.readable} of them readable, of {len(data.classes)} ",
        f"classes: {summary}.</p>",
        *map(_section, checked.findings),
        "<h2>Photos of each class</h2>",
        _classes(checked),
        "</html>\n",
    ]
    write_whole(path, "\n".join(page).encode())


def _section(finding: Finding) -> str:
    figures = "".join(_figure(sample) for sample in finding.photos[:SHOWN])
    more = len(finding.photos) - SHOWN
    rest = f"<p>and {more} more</p>" if more > 0 else ""
    return (
        f"<section class='{finding.weight}'><p><b>{finding.weight}</b>: {html.escape(finding.what)}: "
        f"{html.escape(finding.remedy)}.</p>{figures}{rest}</section>"
    )


def _figure(sample: Sample) -> str:
    pixels = thumbnail(sample.path)
    caption = html.escape(f"{sample.path.name} ({sample.name}{', ' + sample.split if sample.split else ''})")
    if pixels is None:
        return f"<figure>(unreadable)<figcaption>{caption}</figcaption></figure>"
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG", quality=80)
    source = base64.b64encode(jpeg.getvalue()).decode()
    return f"<figure><img src='data:image/jpeg;base64,{source}' alt=''><figcaption>{caption}</figcaption></figure>"


def _classes(checked: Checked) -> str:
    splits = sorted({sample.split for sample in checked.data.samples})
    counts = Counter((sample.name, sample.split) for sample in checked.data.samples)
    head = "".join(f"<th>{html.escape(split or 'photos')}</th>" for split in splits)
    rows = "".join(
        f"<tr><td>{html.escape(info.name)}</td><td>{html.escape(info.sku)}</td><td>{html.escape(info.category)}</td>"
        + "".join(f"<td class='n'>{counts[info.name, split]}</td>" for split in splits)
        + "</tr>"
        for info in checked.data.classes
    )
    return f"<table><tr><th>class</th><th>SKU</th><th>category</th>{head}</tr>{rows}</table>"
