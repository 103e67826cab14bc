"""The report as one page that opens on a phone: everything is in the file, and nothing is fetched from anywhere."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping
from itertools import groupby

from warehouse.report.report import Discrepancy, Report, Unverified
from warehouse.report.tables import age_in_words

MAX_PICTURES = 300
"""More would be too much for a phone; the pictures of the oldest alerts are shown."""
_STYLE = """
:root{color-scheme:light dark}
body{font:17px/1.45 system-ui,sans-serif;max-width:46rem;margin:0 auto;padding:.8rem}
h1{font-size:1.3rem;margin:.2rem 0} h2{margin:1.6rem 0 .4rem;padding:.3rem 0;border-bottom:2px solid #8884}
nav a{display:inline-block;padding:.55rem .9rem;margin:.15rem}
nav a,article{border:1px solid #8886;border-radius:8px;text-decoration:none}
article{border-left:6px solid #cf222e;padding:.6rem .8rem;margin:.6rem 0;overflow:hidden}
article.swap{border-left-color:#8250df} article.conflict{border-left-color:#bf8700}
article img{float:right;width:38%;max-width:220px;border-radius:6px;margin-left:.6rem}
article h3{margin:0 0 .2rem;font-size:1.15rem} dl,dd{margin:0}
dt{float:left;clear:left;color:#888;margin-right:.4rem}
.do{font-weight:600;margin:.4rem 0 0} .quiet{color:#888} .problem{color:#bf8700}
table{border-collapse:collapse;width:100%} td,th{padding:.35rem .5rem;text-align:left;border-bottom:1px solid #8884}
td:nth-child(n+2),th:nth-child(n+2){text-align:right} summary{padding:.5rem 0;cursor:pointer}
@media print{nav{display:none} article{break-inside:avoid}}
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def as_page(report: Report, pictures: Mapping[str, bytes]) -> bytes:
    """The page as HTML; `pictures` holds JPEGs by the alert's id."""
    total = report.total
    title = f"{report.site}: {len(report.discrepancies)} discrepancies"
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{html.escape(title)}</h1>",
        f"<p class='quiet'>{report.made:%Y-%m-%d %H:%M}. Verified since {report.since:%Y-%m-%d %H:%M}:",
        f"{total.verified} of {total.total} locations ({total.percent:.1f} %).</p>",
        *(f"<p class='problem'>{html.escape(words)}</p>" for words in report.problems),
    ]
    aisles = [(aisle, list(lines)) for aisle, lines in groupby(report.discrepancies, lambda line: line.aisle)]
    links = (f"<a href='#a{number}'>{html.escape(a)} ({len(lines)})</a>" for number, (a, lines) in enumerate(aisles))
    parts.append(f"<nav>{''.join(links)}</nav>")
    for number, (aisle, lines) in enumerate(aisles):
        parts.append(f"<h2 id='a{number}'>Aisle {html.escape(aisle)}</h2>")
        parts += [_card(line, pictures.get(line.alert)) for line in lines]
    parts += [_coverage(report), _unverified(report.unverified), "</body></html>\n"]
    return "\n".join(parts).encode()


def with_pictures(report: Report) -> list[str]:
    """The alerts whose pictures are shown."""
    oldest = sorted((line for line in report.discrepancies if line.alert), key=lambda line: line.since)
    return [line.alert for line in oldest[:MAX_PICTURES]]


def _card(line: Discrepancy, picture: bytes | None) -> str:
    kind = "conflict" if line.conflict else "swap" if line.swap else ""
    data = base64.b64encode(picture).decode() if picture else ""
    image = f"<img alt='what the camera saw' src='data:image/jpeg;base64,{data}'>" if picture else ""
    told = (
        ("expected", line.expected),
        ("found", f"{line.seen} ({line.verdict})".strip()),
        ("for", age_in_words(line.age)),
        ("conflict", line.conflict),
        ("note", line.note),
    )
    facts = "".join(f"<dt>{name}</dt><dd>{html.escape(words)}</dd>" for name, words in told if words)
    action = f"<p class='do'>{html.escape(line.action)}</p>" if line.action else ""
    return f"<article class='{kind}'>{image}<h3>{html.escape(line.location)}</h3><dl>{facts}</dl>{action}</article>"


def _coverage(report: Report) -> str:
    lines = "".join(
        f"<tr><td>{html.escape(a.aisle)}</td><td>{a.total}</td><td>{a.verified}</td><td>{a.percent:.1f}</td></tr>"
        for a in report.coverage
    )
    return (
        f"<h2>Coverage</h2><table><tr><th>aisle</th><th>locations</th><th>verified</th><th>%</th></tr>{lines}</table>"
    )


def _unverified(unverified: tuple[Unverified, ...]) -> str:
    lines = "".join(f"<li>{html.escape(old.location)} {_last(old)}</li>" for old in unverified)
    return f"<details><summary>{len(unverified)} locations not verified</summary><ul>{lines}</ul></details>"


def _last(old: Unverified) -> str:
    moment = f"{old.last_verified:%Y-%m-%d %H:%M} UTC" if old.last_verified else "never"
    return f"<span class='quiet'>{moment} {html.escape(old.why)}</span>"
