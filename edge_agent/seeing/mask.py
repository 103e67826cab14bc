"""Areas of a camera's picture that show what is no part of the rack: its clock, a logo, the aisle where people walk.

Nothing in them counts, and no picture that is kept or sent shows them. They are fixed in the picture: what the camera
itself draws into it doesn't move with the camera.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edge_agent.config.base import as_array
from edge_agent.config.cameras import CameraSection, PictureSize
from edge_agent.seeing.slots import as_pixels
from kardus.inference.geometry import Float64Array
from kardus.inference.preprocess import Pixels

Masked = NDArray[np.bool_]
"""(height, width): which pixels lie in an area."""


class Mask:
    """A camera's areas."""

    def __init__(self, areas: Sequence[Float64Array] = ()) -> None:
        """Corners (n, 2) of each, in shares of the picture's width and height."""
        self.areas = areas
        self._last: Masked | None = None

    def over(self, width: int, height: int) -> Masked:
        """The masked pixels of a picture of this size."""
        if self._last is None or self._last.shape != (height, width):
            image = Image.new("1", (width, height))
            self._draw(image, 1)
            self._last = np.array(image)
        return self._last

    def hide(self, picture: Image.Image) -> Image.Image:
        """A picture (RGB) as it may be shown to people: the same one where there are no areas, else with black ones."""
        if not self.areas:
            return picture
        shown = picture.copy()
        self._draw(shown, 0)
        return shown

    def _draw(self, image: Image.Image, fill: int) -> None:
        draw = ImageDraw.Draw(image)
        for area in self.areas:
            places = [(float(x) * image.width, float(y) * image.height) for x, y in area]
            draw.polygon(places, fill=fill, outline=fill)

    def black_out(self, picture: Pixels) -> Pixels:
        """A picture (height, width, 3) whose masked pixels are black: two of them never differ there."""
        height, width = picture.shape[:2]
        return np.where(self.over(width, height)[..., None], np.uint8(0), picture)


def areas_of(camera: CameraSection, width: int, height: int, size: PictureSize | None) -> list[Float64Array]:
    """The corners (n, 2) of a camera's areas in pixels of a picture; `size` as for its slots."""
    in_shares = camera.units == "share"
    return [as_pixels(as_array(area), width, height, in_shares=in_shares, size=size) for area in camera.mask]


def hidden(picture: Image.Image, camera: CameraSection, size: PictureSize | None) -> Image.Image:
    """A picture (RGB) as it may be shown to people, by a camera's configuration; `size` as for its slots."""
    areas = areas_of(camera, *picture.size, size)
    return Mask([area / picture.size for area in areas]).hide(picture)


def area_outside(areas: Sequence[Float64Array], width: int, height: int) -> str:
    """Which area, in pixels, has a corner outside a picture of this size, in words; empty if none has."""
    for number, area in enumerate(areas, start=1):
        if (area < 0).any() or (area > [width, height]).any():
            return f"mask: a corner of area {number} lies outside the {width} x {height} picture: correct it"
    return ""
