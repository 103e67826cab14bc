"""`[[cameras]]`: what is watched."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from edge_agent.config.base import FileSection, Point, Section, as_array
from edge_agent.config.layout_files import LayoutName
from edge_agent.config.sources import SourceSection
from kardus.contract.topics import Id, LocationCode
from kardus.inference.geometry import is_convex
from kardus.support.settings_files import FilePath


def _go_round(corners: tuple[Point, Point, Point, Point]) -> tuple[Point, Point, Point, Point]:
    if not is_convex(as_array(corners)):
        raise ValueError("the corners don't go round clockwise: top left, top right, bottom right, bottom left")
    return corners


Area = Annotated[tuple[Point, ...], Field(min_length=3, max_length=100)]
SidePixels = Annotated[int, Field(ge=16, le=16_384)]
PictureSize = tuple[SidePixels, SidePixels]
Corners = Annotated[tuple[Point, Point, Point, Point], AfterValidator(_go_round)]


class LocationSection(Section):
    """`[[cameras.locations]]`: one storage location in the picture."""

    id: LocationCode
    """The WMS's own code."""
    corners: Corners | None = None
    """Top left, top right, bottom right, bottom left, as they appear on the carton."""
    facings: tuple[Corners, ...] = ()
    """In place of `corners`, for a location that shows several cartons side by side: the corners of each."""

    @model_validator(mode="after")
    def _one_of_both(self) -> "LocationSection":
        if (self.corners is None) == (not self.facings):
            raise ValueError("give either corners, or facings with the corners of each carton's place")
        return self

    @property
    def quadrilaterals(self) -> tuple[Corners, ...]:
        """The corners of every facing."""
        return self.facings or ((self.corners,) if self.corners else ())


class CameraSection(FileSection):
    """`[[cameras]]`: one camera and what it sees."""

    name: Id
    """The camera's name; part of its health topic."""
    source: SourceSection
    """Where its pictures come from: one of the tables below."""
    interval_s: Annotated[float, Field(ge=0, le=86_400)] = 1.0
    """Seconds from one frame to the next; 0 takes as many as the machine can."""
    units: Literal["pixels", "share"] = "pixels"
    """Of the corners: pixels, or shares (0 to 1) of the picture's width and height."""
    picture_size: PictureSize | None = None
    """Width and height, in pixels, of the picture in which the corners were laid out. A camera that gives another size
    of the same shape has them scaled; one of another shape is `stale`. Without it, and with corners in pixels, the
    size of `reference`."""
    reference: FilePath | None = None
    """The commissioning picture (`kardus-agent slots snapshot`), which tells whether the camera was moved or covered.
    Without one, the first good picture after each start."""
    mask: tuple[Area, ...] = ()
    """Areas, of three corners or more each, that show what is no part of the rack: the camera's clock, a logo, a lamp,
    the aisle where people walk. Nothing in them counts as a change, as something that stands in front, or as a mark of
    the view; they are black in evidence, snapshots and photos for training."""
    empty_picture: FilePath | None = None
    """A picture without any stock, from the same place: a second opinion on whether a location is empty."""
    layout: LayoutName | None = None
    """A file (`NAME.json`), in the folder `layouts` of `data_dir`, in which the agent keeps what is laid out over MQTT:
    on the server's page, by the command `set-layout`. Whoever may send commands to the agent may then lay this camera
    out. Once something was saved, it holds in place of `locations`, `mask`, `units`, `picture_size` and `reference`.
    Without the key the commands are refused."""
    locations: tuple[LocationSection, ...] = ()
    """The storage locations in its picture. With a `layout` there need be none yet: the camera then waits until it is
    laid out."""

    @model_validator(mode="after")
    def _is_laid_out(self) -> Self:
        if not self.locations and self.layout is None:
            raise ValueError("locations: missing: add [[cameras.locations]], or allow laying it out with layout")
        return self
