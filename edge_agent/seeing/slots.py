"""Where the locations lie in a camera's picture, as they were laid out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_agent.config.base import as_array
from edge_agent.config.cameras import CameraSection, PictureSize
from kardus.inference.geometry import Float64Array


@dataclass(frozen=True)
class Slot:
    """One carton's place: a location, or one of its facings."""

    location: str
    corners: Float64Array
    """(4, 2), in pixels of the reference picture or in shares of its width and height."""
    in_shares: bool
    facing: int | None = None
    """Counts the facings of a location from 1; None where it has one."""
    size: PictureSize | None = None
    """Width and height of the picture that corners in pixels belong to; None: any."""

    def in_pixels(self, width: int, height: int) -> Float64Array:
        """The corners in pixels of a picture of the given size."""
        return as_pixels(self.corners, width, height, in_shares=self.in_shares, size=self.size)


def as_pixels(
    places: Float64Array, width: int, height: int, *, in_shares: bool, size: PictureSize | None = None
) -> Float64Array:
    """Places (n, 2) of a configuration, in pixels of a picture of the given width and height.

    Args:
        places: in pixels of a picture, or in shares of its width and height.
        width: of the picture.
        height: of the picture.
        in_shares: which of both.
        size: width and height of the picture that places in pixels belong to; None: any.
    """
    if in_shares:
        return places * [width, height]
    return places if size in (None, (width, height)) else places * (np.array([width, height]) / size)


def slots_of(camera: CameraSection, size: PictureSize | None = None) -> tuple[Slot, ...]:
    """The slots that a camera's configuration lists; `size` is that of the picture in which they were laid out."""
    return tuple(
        Slot(location.id, as_array(corners), camera.units == "share", number if location.facings else None, size)
        for location in camera.locations
        for number, corners in enumerate(location.quadrilaterals, start=1)
    )


def outside(slots: Sequence[Slot], width: int, height: int) -> str:
    """Which slot has a corner outside a picture of this size, in words; empty if none has."""
    for slot in slots:
        for x, y in slot.in_pixels(width, height):
            if not (0 <= x <= width and 0 <= y <= height):
                return (
                    f"location '{slot.location}': corner ({x:g}, {y:g}) lies outside the {width} x {height} picture: "
                    "correct the corner, or the camera's resolution"
                )
    return ""


def corners_of(slots: Sequence[Slot], width: int, height: int) -> Float64Array:
    """The corners (n, 4, 2) of n slots as they were laid out, in pixels of a picture of this size."""
    return np.array([slot.in_pixels(width, height) for slot in slots], np.float64).reshape(-1, 4, 2)
