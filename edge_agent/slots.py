"""Cuts every location out of a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge_agent.config import CameraSection, as_array
from edge_agent.geometry import FloatArray
from edge_agent.preprocess import Pixels, rectify


@dataclass(frozen=True)
class Slot:
    """Where a location lies in a camera's picture: corners (4, 2), in pixels or in shares of width and height."""

    location: str
    corners: FloatArray
    in_shares: bool

    def in_pixels(self, width: int, height: int) -> FloatArray:
        """The corners in pixels of a picture of the given size."""
        return self.corners * [width, height] if self.in_shares else self.corners


def slots_of(camera: CameraSection) -> tuple[Slot, ...]:
    """The slots that a camera's configuration lists."""
    return tuple(
        Slot(location.id, as_array(location.corners), camera.units == "share") for location in camera.locations
    )


def outside(slots: Sequence[Slot], picture: Pixels) -> str:
    """Which slot has a corner outside the picture, in words; empty if none has."""
    height, width = picture.shape[:2]
    for slot in slots:
        for x, y in slot.in_pixels(width, height):
            if not (0 <= x <= width and 0 <= y <= height):
                return (
                    f"location '{slot.location}': corner ({x:g}, {y:g}) lies outside the {width} x {height} picture: "
                    "correct the corner, or the camera's resolution"
                )
    return ""


def cut(slots: Sequence[Slot], picture: Pixels, size_px: int) -> Pixels:
    """Every slot, upright and square: (len(slots), size_px, size_px, 3) uint8 RGB.

    The corners must lie inside the picture (see `outside`).
    """
    height, width = picture.shape[:2]
    crops = np.empty((len(slots), size_px, size_px, 3), dtype=np.uint8)
    for index, slot in enumerate(slots):
        crops[index] = rectify(picture, slot.in_pixels(width, height), size_px)
    return crops
