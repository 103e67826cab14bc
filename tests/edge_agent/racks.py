"""A drawn rack as several tests of the agent see it: frames, slots, and what a camera does to them."""

import io
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from edge_agent.records import Frame
from kardus.inference.geometry import Float64Array
from kardus.inference.planes import CODINGS, PlanarPicture
from kardus.inference.preprocess import Pixels, decode_half
from simulator.pictures import DrawnPictures
from simulator.scene import Rack
from simulator.script import Change, Script
from simulator.shelf import Shelf
from tests.agents import drawn_stock

RACK = Rack()
LOCATIONS = [slot.location for slot in RACK.slots()]
STOCK = drawn_stock(11, empty=(LOCATIONS[3],))


def shelf(*changes: Change, frames: int = 60, seed: int = 5) -> Shelf:
    """The rack with a stock, on which this happens."""
    return Shelf(RACK, DrawnPictures(), Script(seed, frames, STOCK, {}, changes))


@cache
def still(number: int = 0) -> Pixels:
    """The rack at rest; other numbers are other noise."""
    return _at_rest().frame(number)


def write_still(path: Path) -> Path:
    """The rack at rest as a PNG file."""
    path.write_bytes(_still_png())
    return path


@cache
def _still_png() -> bytes:
    """Coded once: that costs more than most of what is tested with it."""
    buffer = io.BytesIO()
    Image.fromarray(still()).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@cache
def _at_rest() -> Shelf:
    return shelf()


def shares() -> list[Float64Array]:
    """The corners of every slot, in shares of the picture's width and height."""
    return [slot.corners / [RACK.width_px, RACK.height_px] for slot in RACK.slots()]


def frame(pixels: Pixels, at_s: float = 0.0, number: int = 1) -> Frame:
    """A picture as the reader hands it over."""
    return Frame("rack", number, datetime.now(UTC), at_s, Image.fromarray(pixels))


def coded_frame(pixels: Pixels, at_s: float = 0.0, number: int = 1) -> Frame:
    """A picture as the reader hands it over while all rests: a JPEG of which half is decoded."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return Frame("rack", number, datetime.now(UTC), at_s, decode_half(buffer.getvalue(), "a picture"))


def planar_frame(pixels: Pixels) -> Frame:
    """A picture as the reader hands it over of a stream: its planes."""
    planes = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24").reformat(format="yuv420p")
    given = PlanarPicture(planes.to_ndarray().tobytes(), (planes.width, planes.height), CODINGS[0])
    return Frame("rack", 1, datetime.now(UTC), 0.0, given)


def blurred(pixels: Pixels, sigma: float) -> Pixels:
    """Out of focus."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma)))


def noisy(pixels: Pixels, seed: int = 0, sigma: float = 3.0) -> Pixels:
    """With a sensor's noise."""
    seen = pixels + _noise(seed, sigma, pixels.shape)
    return seen.clip(0, 255, out=seen).astype(np.uint8)


@lru_cache(maxsize=4)  # six million numbers for each
def _noise(seed: int, sigma: float, shape: tuple[int, ...]) -> NDArray[np.int16]:
    return np.floor(np.random.default_rng(seed).normal(0, sigma, shape)).astype(np.int16)


def nudged(pixels: Pixels, right: float, down: float, degrees: float = 0.0, zoom: float = 1.0) -> Pixels:
    """The camera was turned, so that what it sees moved so."""
    image = Image.fromarray(pixels)
    turned = image.rotate(degrees, Image.Resampling.BICUBIC)
    width, height = image.size
    centre = np.array([width / 2, height / 2])
    offset = centre - (centre + np.array([right, down])) / zoom
    coefficients = (1 / zoom, 0, offset[0], 0, 1 / zoom, offset[1])
    return np.asarray(turned.transform(image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC))
