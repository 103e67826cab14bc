"""Draws the printed face or side of a carton with Pillow. The same product always gives the same picture."""

import zlib
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from simulator.catalogue import Colour, Product

_LIGHT = 140
SIDE_PX = 320
"""Width and height of a drawn carton, in pixels."""


def draw_carton(product: Product, face: str = "face") -> Image.Image:
    """Draw one visible side of a carton.

    Returns an RGB image of SIDE_PX x SIDE_PX. `face` is one of LAYOUTS.
    """
    image = _cardboard(product.base, zlib.crc32(product.brand.encode()))
    draw = ImageDraw.Draw(image)
    LAYOUTS[face](draw, product)
    _flaps(draw, product.base)
    return image


def _draw_face(draw: ImageDraw.ImageDraw, product: Product) -> None:
    draw.rectangle((18, 22, 302, 118), fill=product.panel)
    _text(draw, (160, 54), product.brand, 46, (255, 255, 255))
    _text(draw, (160, 96), product.name, 26, (255, 255, 255))
    draw.rounded_rectangle((18, 128, 302, 208), 14, fill=product.accent)
    _text(draw, (160, 168), product.variant, 50, _ink(product.accent))
    draw.ellipse((26, 222, 102, 298), fill=product.accent, outline=product.panel, width=6)
    _text(draw, (64, 260), product.variant[0], 42, _ink(product.accent))
    _text(draw, (164, 244), product.size, 22, (40, 36, 32))
    _barcode(draw, (224, 222), product.digits)
    _text(draw, (164, 284), "THIS SIDE UP", 15, (70, 60, 50))


def _draw_side(draw: ImageDraw.ImageDraw, product: Product) -> None:
    draw.rectangle((0, 36, SIDE_PX, 96), fill=product.panel)
    _text(draw, (160, 66), product.brand, 40, (255, 255, 255))
    draw.rectangle((0, 104, SIDE_PX, 130), fill=product.accent)
    _text(draw, (160, 168), product.variant, 42, (40, 36, 32))
    _text(draw, (96, 224), product.size, 26, (40, 36, 32))
    _barcode(draw, (200, 206), product.digits)
    for left in (40, 86, 132):
        draw.polygon(((left, 300), (left + 16, 268), (left + 32, 300)), fill=(60, 52, 44))


def _draw_emblem(draw: ImageDraw.ImageDraw, product: Product) -> None:
    draw.ellipse((60, 40, 260, 240), fill=product.panel)
    _text(draw, (160, 120), product.brand, 30, (255, 255, 255))
    _text(draw, (160, 160), product.name, 22, product.accent)
    draw.rectangle((0, 250, SIDE_PX, 296), fill=product.accent)
    _text(draw, (160, 273), f"{product.variant}  {product.size}", 26, _ink(product.accent))


def _draw_column(draw: ImageDraw.ImageDraw, product: Product) -> None:
    draw.rectangle((24, 12, 96, SIDE_PX), fill=product.panel)
    draw.rectangle((96, 12, 112, SIDE_PX), fill=product.accent)
    _text(draw, (212, 80), product.brand, 34, product.panel)
    _text(draw, (212, 130), product.name, 28, (40, 36, 32))
    _text(draw, (212, 180), product.variant, 30, (40, 36, 32))
    _barcode(draw, (176, 230), product.digits)


def _flaps(draw: ImageDraw.ImageDraw, base: Colour) -> None:
    edge = (int(base[0] * 0.6), int(base[1] * 0.6), int(base[2] * 0.6))
    draw.rectangle((0, 0, SIDE_PX - 1, SIDE_PX - 1), outline=edge, width=4)
    draw.line((0, 12, SIDE_PX, 12), fill=edge, width=2)


def _barcode(draw: ImageDraw.ImageDraw, corner: tuple[int, int], digits: str) -> None:
    left, top = corner
    draw.rectangle((left - 4, top - 2, left + 76, top + 62), fill=(250, 250, 248))
    bars = np.random.default_rng(int(digits)).integers(1, 4, size=24)
    x = left
    for index, width in enumerate(bars):
        if index % 2 == 0 and x + width < left + 72:
            draw.rectangle((x, top, x + int(width) - 1, top + 46), fill=(10, 10, 10))
        x += int(width) + 1
    _text(draw, (left + 36, top + 54), digits, 12, (10, 10, 10))


def _cardboard(base: Colour, seed: int) -> Image.Image:
    grain = np.random.default_rng(seed).normal(0.0, 3.0, (SIDE_PX, SIDE_PX, 1))
    flutes = 3.0 * np.sin(np.arange(SIDE_PX) / 2.2)[None, :, None]
    pixels = np.clip(np.asarray(base, dtype=np.float64) + grain + flutes, 0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


LAYOUTS = {"face": _draw_face, "side": _draw_side, "emblem": _draw_emblem, "column": _draw_column}
"""`face` and `side` are our catalogue's; `emblem` and `column` are how other brands print their cartons."""


def _ink(background: Colour) -> Colour:
    luminance = 0.299 * background[0] + 0.587 * background[1] + 0.114 * background[2]
    return (20, 18, 16) if luminance > _LIGHT else (255, 255, 255)


def _text(
    draw: ImageDraw.ImageDraw,
    centre: tuple[int, int],
    words: str,
    size_px: int,
    fill: Colour,
) -> None:
    draw.text(centre, words, font=_font(size_px), fill=fill, anchor="mm", stroke_width=size_px // 30)


@cache
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size_px)
    if not isinstance(font, ImageFont.FreeTypeFont):  # Pillow built without FreeType draws one tiny size only
        raise TypeError("Pillow was built without FreeType: install Pillow's own wheel")
    return font
