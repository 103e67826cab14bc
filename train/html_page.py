"""Self-contained HTML pages: rendered from the templates beside the modules, which extend `page.html.jinja`."""

import base64
import io
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from kardus.inference.preprocess import Pixels

CaptionedCrop = tuple[Pixels | None, str]
"""Pixels (height, width, 3) uint8, None where the photo can't be read; and the caption."""


def render(template: str, **values: object) -> bytes:
    """Render a page; `template` is the file's path within this package."""
    return _TEMPLATES.get_template(template).render(values).encode()


def _png(data: bytes) -> str:
    return _inline("png", data)


def _jpeg(pixels: Pixels) -> str:
    jpeg = io.BytesIO()
    Image.fromarray(pixels).save(jpeg, "JPEG", quality=80)
    return _inline("jpeg", jpeg.getvalue())


def _inline(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters |= {"jpeg": _jpeg, "png": _png}
