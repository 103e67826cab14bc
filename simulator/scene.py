"""A storage location as the camera sees it: the rack's opening, and the carton standing in it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from kardus.inference.geometry import FloatArray, homography, project, rectangle

_UNIT = rectangle(0.0, 0.0, 1.0, 1.0)
_UPRIGHT = (36, 74, 138)
_BEAM = (222, 112, 28)
_LABEL = (236, 236, 228)


@dataclass(frozen=True)
class RackCell:
    """A location's opening in the picture: its WMS code and its corners (4, 2) in pixels."""

    location: str
    corners: FloatArray


@dataclass(frozen=True)
class Rack:
    """A rack of `levels` x `positions` openings, seen by a camera that doesn't stand quite straight."""

    levels: int = 3
    positions: int = 5
    width_px: int = 1920
    height_px: int = 1080
    aisle: str = "A"
    bay: int = 1

    def slots(self) -> tuple[RackCell, ...]:
        """Every opening; level 1 is the lowest, position 1 the leftmost."""
        view = homography(_UNIT, self._outline())
        return tuple(
            RackCell(self.code(level, position), project(view, self._opening(level, position)))
            for level in range(1, self.levels + 1)
            for position in range(1, self.positions + 1)
        )

    def code(self, level: int, position: int) -> str:
        """The WMS's code for an opening: aisle, bay, level, position."""
        return f"{self.aisle}-{self.bay:02d}-{level}-{position:02d}"

    def background(self, rng: np.random.Generator) -> Image.Image:
        """The rack with nothing on it (RGB)."""
        image = Image.new("RGB", (self.width_px, self.height_px), (96, 98, 100))
        draw = ImageDraw.Draw(image)
        view = homography(_UNIT, self._outline())
        _polygon(draw, project(view, _UNIT), _UPRIGHT)
        for slot in self.slots():
            put_recess(image, slot.corners, rng)
        for level in range(1, self.levels + 1):
            bottom = 1 - (level - 1) / self.levels
            _polygon(draw, project(view, rectangle(0, bottom - 0.028, 1, bottom)), _BEAM)
        self._put_labels(draw, view, rng)
        return image

    def _put_labels(self, draw: ImageDraw.ImageDraw, view: FloatArray, rng: np.random.Generator) -> None:
        """A label with a bar code on the beam below each opening, as warehouses have them."""
        for level in range(self.levels):
            for position in range(self.positions):
                left, bottom = (position + 0.38) / self.positions, 1 - level / self.levels
                _polygon(draw, project(view, rectangle(left, bottom - 0.026, left + 0.05, bottom - 0.002)), _LABEL)
                for bar in np.sort(rng.uniform(left + 0.004, left + 0.044, 9)):
                    stripe = rectangle(bar, bottom - 0.022, bar + rng.uniform(0.0008, 0.0025), bottom - 0.006)
                    _polygon(draw, project(view, stripe), (24, 24, 26))

    def _outline(self) -> FloatArray:
        width, height = self.width_px, self.height_px
        corners = [[0.03, 0.03], [0.975, 0.05], [0.965, 0.96], [0.035, 0.975]]
        outline: FloatArray = np.array(corners) * np.array([width, height])
        return outline

    def _opening(self, level: int, position: int) -> FloatArray:
        cell_width, cell_height = 1 / self.positions, 1 / self.levels
        left, top = (position - 1) * cell_width, 1 - level * cell_height
        return rectangle(
            left + 0.05 * cell_width,
            top + 0.05 * cell_height,
            left + 0.95 * cell_width,
            top + 0.91 * cell_height,
        )


def put_recess(image: Image.Image, corners: FloatArray, rng: np.random.Generator) -> None:
    """Draw the inside of an opening: a dim back wall, a bar, a mesh floor, sometimes a forgotten scrap."""
    draw = ImageDraw.Draw(image)
    shade = int(rng.integers(44, 92))
    view = homography(_UNIT, corners)
    _polygon(draw, corners, (shade, shade + 2, shade + 5))
    _polygon(draw, project(view, rectangle(0, 0.8, 1, 1)), (shade + 34, shade + 32, shade + 28))
    bar = rng.uniform(0.15, 0.55)
    _polygon(draw, project(view, rectangle(0, bar, 1, bar + 0.04)), (shade + 22, shade + 22, shade + 24))
    for left in np.arange(0.06, 1.0, 0.11):
        _polygon(draw, project(view, rectangle(left, 0.8, left + 0.012, 1)), (shade + 8, shade + 8, shade + 8))
    if rng.integers(4) == 0:
        left, top = rng.uniform(0.1, 0.8), rng.uniform(0.84, 0.92)
        scrap = rectangle(left, top, left + rng.uniform(0.05, 0.14), top + 0.05)
        _polygon(draw, project(view, scrap), (200, 190, 170))


def put_carton(image: Image.Image, carton: Image.Image, corners: FloatArray, rng: np.random.Generator) -> None:
    """Stand a carton in an opening, a little shifted, turned and tilted, as people leave it."""
    target = project(homography(_UNIT, corners), _pose(rng))
    left, top = np.floor(target.min(axis=0)).astype(int)
    right, bottom = np.ceil(target.max(axis=0)).astype(int) + 1
    size = (int(right - left), int(bottom - top))
    source = rectangle(0, 0, carton.width, carton.height)
    back = homography(target - [left, top], source).reshape(9)[:8]
    coefficients = tuple(float(value) for value in back)
    warped = carton.transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
    opaque = Image.new("L", carton.size, 255)
    mask = opaque.transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR)
    image.paste(warped, (int(left), int(top)), mask)


def _pose(rng: np.random.Generator) -> FloatArray:
    scale_x, scale_y = rng.uniform(0.84, 0.97), rng.uniform(0.84, 0.97)
    left = (1 - scale_x) * rng.uniform(0.1, 0.9)
    bottom = rng.uniform(0.96, 1.0)
    upright = rectangle(left, bottom - scale_y, left + scale_x, bottom)
    angle = np.deg2rad(rng.normal(0.0, 1.3))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = upright.mean(axis=0)
    tilted: FloatArray = (upright - centre) @ turn.T + centre + rng.normal(0.0, 0.008, (4, 2))
    return tilted


def _polygon(draw: ImageDraw.ImageDraw, corners: FloatArray, fill: tuple[int, int, int]) -> None:
    draw.polygon([(float(x), float(y)) for x, y in corners], fill=fill)
