"""Where the locations lie in a camera's picture, and cutting them out of it."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from edge_agent.config.base import as_array
from edge_agent.config.cameras import CameraSection, PictureSize
from kardus.inference.geometry import FloatArray, project
from kardus.inference.part_decoded import GivenPicture
from kardus.inference.preprocess import Pixels, Warp, warp_of


@dataclass(frozen=True)
class Slot:
    """One carton's place: a location, or one of its facings."""

    location: str
    corners: FloatArray
    """(4, 2), in pixels of the reference picture or in shares of its width and height."""
    in_shares: bool
    facing: int | None = None
    """Counts the facings of a location from 1; None where it has one."""
    size: PictureSize | None = None
    """Width and height of the picture that corners in pixels belong to; None: any."""

    def in_pixels(self, width: int, height: int) -> FloatArray:
        """The corners in pixels of a picture of the given size."""
        return as_pixels(self.corners, width, height, in_shares=self.in_shares, size=self.size)


def as_pixels(
    places: FloatArray, width: int, height: int, *, in_shares: bool, size: PictureSize | None = None
) -> FloatArray:
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


def place_slots(slots: Sequence[Slot], width: int, height: int, motion: FloatArray) -> FloatArray:
    """Where the slots are now: corners (n, 4, 2) in pixels of the picture, kept inside it.

    Args:
        slots: n slots.
        width: of the picture.
        height: of the picture.
        motion: from the reference picture's pixels to this picture's (3 x 3).
    """
    corners = np.concatenate([slot.in_pixels(width, height) for slot in slots])
    placed: FloatArray = np.clip(project(motion, corners), 0, [width, height]).reshape(-1, 4, 2)
    return placed


class Cutting:
    """Slots that are being cut out of a picture, on all cores: Pillow warps without Python's lock."""

    def __init__(self, corners: FloatArray, given: GivenPicture, size_px: int) -> None:
        """Begin with every quadrilateral of (n, 4, 2), as `rectify` cuts it.

        Raises:
            BrokenPictureError: only half of the picture was decoded, and the whole can't be.
        """
        self._crops = np.empty((len(corners), size_px, size_px, 3), dtype=np.uint8)

        def cut_some(indices: range) -> None:
            for index in indices:
                warp = _known_warp(corners[index].tobytes(), *given.size, size_px)
                self._crops[index] = warp.apply(given.crop(warp.box))

        hands = os.cpu_count() or 1
        parts = [range(first, len(corners), hands) for first in range(min(hands, len(corners)))]
        self._parts = [_pool().submit(cut_some, part) for part in parts]

    def result(self) -> Pixels:
        """(n, size_px, size_px, 3) uint8 RGB, in their order."""
        for part in self._parts:
            part.result()
        return self._crops


@lru_cache(maxsize=4096)
def _known_warp(corners: bytes, width: int, height: int, size_px: int) -> Warp:
    """Cameras stand still: a slot's corners are those of the last picture, as a rule."""
    return warp_of(np.frombuffer(corners).reshape(4, 2), width, height, size_px)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="cut")
