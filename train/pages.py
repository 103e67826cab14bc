"""Parts of a page that needs no other file: tables, pictures, a style that a phone can read."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

from PIL import Image

from kardus.inference.preprocess import Pixels

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem;color:#1f2328}
table{border-collapse:collapse;margin:1rem 0} td,th{padding:.3rem .7rem;border-bottom:1px solid #d0d7de;text-align:left}
td.n{text-align:right} section{border-left:4px solid #8c959f;padding:.2rem 1rem;margin:1rem 0}
section.error{border-color:#cf222e} section.warning{border-color:#bf8700} img{max-width:100%}
p.lead{font-size:1.25rem} figure{display:inline-block;margin:.3rem .6rem .3rem 0;vertical-align:top;width:150px}
figcaption{font-size:12px;color:#59636e;overflow-wrap:anywhere}
"""


def page(title: str, parts: Sequence[str]) -> bytes:
    """A whole page of these parts, which are HTML already."""
    head = (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style><h1>{html.escape(title)}</h1>"
    )
    return "\n".join([head, *parts, "</html>\n"]).encode()


def table(header: Sequence[str], rows: Sequence[Sequence[str | int]]) -> str:
    """A table; numbers and what begins with a digit stand on the right."""
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def photo(pixels: Pixels | None, caption: str) -> str:
    """A small picture (height, width, 3) uint8 with its caption; None stands for one that can't be read."""
    text = f"<figcaption>{html.escape(caption)}</figcaption>"
    if pixels is None:
        return f"<figure>(unreadable){text}</figure>"
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG", quality=80)
    return f"<figure><img src='{_inline('jpeg', jpeg.getvalue())}' alt=''>{text}</figure>"


def plot(png: bytes, alt: str) -> str:
    """A drawn plot as wide as the page."""
    return f"<img class='wide' src='{_inline('png', png)}' alt='{html.escape(alt)}'>"


def _cell(value: str | int) -> str:
    kind = " class='n'" if isinstance(value, int) or value[:1].isdigit() else ""
    return f"<td{kind}>{html.escape(str(value))}</td>"


def _inline(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
