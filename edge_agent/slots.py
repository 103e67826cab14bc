"""Where the locations lie in a camera's picture, and cutting them out of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np

from edge_agent.config.base import as_array
from edge_agent.config.cameras import CameraSection
from edge_agent.geometry import FloatArray, project
from edge_agent.preprocess import Pixels, rectify

FEW = 3
"""Fewer slots than these are cut sooner than they are handed to other threads."""


@dataclass(frozen=True)
class Slot:
    """One carton's place: a location, or one of its facings."""

    location: str
    corners: FloatArray
    """(4, 2), in pixels of the reference picture or in shares of its width and height."""
    in_shares: bool
    facing: int | None = None
    """Counts the facings of a location from 1; None where it has one."""

    def in_pixels(self, width: int, height: int) -> FloatArray:
        """The corners in pixels of a picture of the given size."""
        return self.corners * [width, height] if self.in_shares else self.corners


def slots_of(camera: CameraSection) -> tuple[Slot, ...]:
    """The slots that a camera's configuration lists."""
    return tuple(
        Slot(location.id, as_array(corners), camera.units == "share", number if location.facings else None)
        for location in camera.locations
        for number, corners in enumerate(location.quadrilaterals, start=1)
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


def place(slots: Sequence[Slot], picture: Pixels, motion: FloatArray) -> FloatArray:
    """Where the slots are now: corners (n, 4, 2) in pixels of the picture, kept inside it.

    Args:
        slots: n slots.
        picture: (height, width, 3).
        motion: from the reference picture's pixels to this picture's (3 x 3).
    """
    height, width = picture.shape[:2]
    corners = np.concatenate([slot.in_pixels(width, height) for slot in slots])
    placed: FloatArray = np.clip(project(motion, corners), 0, [width, height]).reshape(-1, 4, 2)
    return placed


def cut(corners: FloatArray, picture: Pixels, size_px: int) -> Pixels:
    """Every quadrilateral of (n, 4, 2), upright and square: (n, size_px, size_px, 3) uint8 RGB.

    Several are cut at a time, on all cores: Pillow warps without Python's lock.
    """
    crops = np.empty((len(corners), size_px, size_px, 3), dtype=np.uint8)

    def cut_one(index: int) -> None:
        crops[index] = rectify(picture, corners[index], size_px)

    if len(corners) < FEW:
        for index in range(len(corners)):
            cut_one(index)
    else:
        list(_hands().map(cut_one, range(len(corners))))
    return crops


@cache
def _hands() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="cut")
