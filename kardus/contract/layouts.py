"""A camera's layout: where its locations are in its picture, and what of the picture is masked."""

from typing import Annotated

from pydantic import Field

from kardus.contract.base import Record
from kardus.contract.topics import LocationCode

MAX_SIDE_PX = 16_384
MAX_CAMERA_LOCATIONS = 500
MAX_FACINGS = 20
MAX_AREAS = 50
MAX_REVISION = 2**53 - 1
Coordinate = Annotated[float, Field(ge=0, le=MAX_SIDE_PX)]
PicturePoint = tuple[Coordinate, Coordinate]
"""x and y in pixels of the picture, from its top left."""
Quadrilateral = tuple[PicturePoint, PicturePoint, PicturePoint, PicturePoint]
"""Top left, top right, bottom right, bottom left, as they appear on the carton."""
MaskArea = Annotated[tuple[PicturePoint, ...], Field(min_length=3, max_length=100)]
SidePx = Annotated[int, Field(ge=16, le=MAX_SIDE_PX, strict=True)]
Revision = Annotated[int, Field(ge=0, le=MAX_REVISION, strict=True)]
"""Counts what was saved; 0: nothing was, what stands in the configuration's file holds."""


class PlacedLocation(Record):
    """A location in a picture."""

    id: LocationCode
    """The WMS's own code."""
    facings: Annotated[tuple[Quadrilateral, ...], Field(min_length=1, max_length=MAX_FACINGS)]
    """The corners of each carton's place: one, or several side by side."""


class Layout(Record):
    """What is laid out in a camera's picture."""

    picture_size: tuple[SidePx, SidePx]
    """Width and height, in pixels, of the picture that the corners belong to."""
    locations: Annotated[tuple[PlacedLocation, ...], Field(min_length=1, max_length=MAX_CAMERA_LOCATIONS)]
    """The locations in it."""
    mask: Annotated[tuple[MaskArea, ...], Field(max_length=MAX_AREAS)] = ()
    """Areas that show what is no part of the rack."""
