"""A storage location as the camera sees it: the rack's opening, and the carton standing in it."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from kardus.inference.geometry import Float64Array, homography, project, rectangle
from simulator.rack_labels import RackLabels, label_place, stick_label

_UNIT = rectangle(0.0, 0.0, 1.0, 1.0)
_UPRIGHT = (36, 74, 138)
_BEAM = (222, 112, 28)
_LABEL = (236, 236, 228)
BEAM = 0.028
"""How high a beam is, in shares of the rack's height."""


@dataclass(frozen=True)
class RackCell:
    """A location's opening in the picture: its WMS code and its corners (4, 2) in pixels."""

    location: str
    corners: Float64Array


@dataclass(frozen=True)
class Rack:
    """A rack of `levels` x `positions` openings, seen by a camera that doesn't stand quite straight."""

    levels: int = 3
    positions: int = 5
    width_px: int = 1920
    height_px: int = 1080
    aisle: str = "A"
    bay: int = 1
    labels: RackLabels | None = None
    """Labels that can be read; None: bars that say nothing."""
    view: tuple[tuple[float, float], ...] = ((0.03, 0.03), (0.975, 0.05), (0.965, 0.96), (0.035, 0.975))
    """Where the rack's four outer corners are, in shares of the picture: how the camera stands."""

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
            _polygon(draw, project(view, self._beam(bottom)), _BEAM)
        if self.labels is None:
            self._put_bars(draw, view, rng)
        else:
            self._put_labels(image, self.labels, view, rng)
        return image

    def _beam(self, bottom: float) -> Float64Array:
        """The beam of a level whose cells end at `bottom`: below its openings, or above them."""
        if self.labels is None:
            return rectangle(0, bottom - BEAM, 1, bottom)
        height = self._beam_height(self.labels)
        is_below = self.labels.side == "below"
        edge = bottom - height if is_below else bottom - 1 / self.levels
        return rectangle(0, edge, 1, edge + height)

    def _beam_height(self, labels: RackLabels) -> float:
        """In shares of the rack's height: room for a label."""
        modules = labels.printed(self.code(1, 1), np.random.default_rng(0))
        return max(BEAM, float(modules.shape[0]) * self._module(labels)[1] + 0.006)

    def _module(self, labels: RackLabels) -> tuple[float, float]:
        """A module's width and height, in shares of the rack's."""
        outline = self._outline()
        width, height = np.linalg.norm(outline[1] - outline[0]), np.linalg.norm(outline[3] - outline[0])
        return labels.module_px / float(width), labels.module_px / float(height)

    def _put_labels(self, image: Image.Image, labels: RackLabels, view: Float64Array, rng: np.random.Generator) -> None:
        for level in range(1, self.levels + 1):
            beam = self._beam(1 - (level - 1) / self.levels)
            for position in range(1, self.positions + 1):
                modules = labels.printed(self.code(level, position), rng)
                centre = ((position - 0.5) / self.positions, float(beam[:, 1].mean()))
                stick_label(image, modules, view, label_place(modules, centre, self._module(labels)))

    def _put_bars(self, draw: ImageDraw.ImageDraw, view: Float64Array, rng: np.random.Generator) -> None:
        """Something like a label on the beam below each opening, as warehouses have them."""
        for level in range(self.levels):
            for position in range(self.positions):
                left, bottom = (position + 0.38) / self.positions, 1 - level / self.levels
                _polygon(draw, project(view, rectangle(left, bottom - 0.026, left + 0.05, bottom - 0.002)), _LABEL)
                for bar in np.sort(rng.uniform(left + 0.004, left + 0.044, 9)):
                    stripe = rectangle(bar, bottom - 0.022, bar + rng.uniform(0.0008, 0.0025), bottom - 0.006)
                    _polygon(draw, project(view, stripe), (24, 24, 26))

    def _outline(self) -> Float64Array:
        width, height = self.width_px, self.height_px
        outline: Float64Array = np.array(self.view) * np.array([width, height])
        return outline

    def _opening(self, level: int, position: int) -> Float64Array:
        cell_width, cell_height = 1 / self.positions, 1 / self.levels
        left, top = (position - 1) * cell_width, 1 - level * cell_height
        above, below = 0.05 * cell_height, 0.91 * cell_height
        if self.labels is not None:
            beam = self._beam_height(self.labels) + 0.006 * cell_height
            is_below = self.labels.side == "below"
            above, below = (above, cell_height - beam) if is_below else (beam, 0.95 * cell_height)
        return rectangle(left + 0.05 * cell_width, top + above, left + 0.95 * cell_width, top + below)


def put_recess(image: Image.Image, corners: Float64Array, rng: np.random.Generator) -> None:
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


def put_carton(image: Image.Image, carton: Image.Image, corners: Float64Array, rng: np.random.Generator) -> None:
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


def _pose(rng: np.random.Generator) -> Float64Array:
    scale_x, scale_y = rng.uniform(0.84, 0.97), rng.uniform(0.84, 0.97)
    left = (1 - scale_x) * rng.uniform(0.1, 0.9)
    bottom = rng.uniform(0.96, 1.0)
    upright = rectangle(left, bottom - scale_y, left + scale_x, bottom)
    angle = np.deg2rad(rng.normal(0.0, 1.3))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = upright.mean(axis=0)
    tilted: Float64Array = (upright - centre) @ turn.T + centre + rng.normal(0.0, 0.008, (4, 2))
    return tilted


def _polygon(draw: ImageDraw.ImageDraw, corners: Float64Array, fill: tuple[int, int, int]) -> None:
    draw.polygon([(float(x), float(y)) for x, y in corners], fill=fill)
