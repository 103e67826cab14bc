"""What a recording is: a folder of pictures, with a line for everything that the agent was told while it looked.

    recording/                   what an agent keeps: one folder a part, in their order
      000001/
        recording.json           a `RecordingHeader`
        entries.jsonl            `RecordingEntry` after `RecordingEntry`, in the order in which they were dealt with
        000001.jpg ...           the pictures that they name
      000002/ ...

One part alone is a recording too. Each begins with the whole expected stock of its time, so that the oldest can go.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from kardus.contract.base import Record
from kardus.contract.messages import Expected, UtcTime
from kardus.contract.topics import Id, LocationCode

HEADER = "recording.json"
ENTRIES = "entries.jsonl"
PictureName = Annotated[str, Field(pattern=r"^([\w-]+/)?[\w-]+\.(jpg|jpeg|png|webp|bmp)$", max_length=206)]


class RecordingHeader(Record):
    """`recording.json`: which cameras a part is of."""

    version: Literal[1] = 1
    """Of this format."""
    run: str
    """Identifies the agent's run: seconds (`at_s`) go on from one part to the next of the same run."""
    cameras: dict[Id, bool]
    """Each camera, and whether it was live: only then can it be frozen."""


class RecordingEntry(Record):
    """A line of `entries.jsonl`: a picture, a lost signal, or a word of the WMS."""

    at: UtcTime
    """When the picture was taken, or the word came."""
    at_s: Annotated[float, Field(ge=0)]
    """The same moment in seconds, on a clock that never jumps."""
    camera: Id | None = None
    """The camera; null in a word of the WMS."""
    picture: PictureName | None = None
    """The picture's file."""
    lost: str | None = None
    """Why the camera gave no picture."""
    location: LocationCode | None = None
    """The location that the WMS speaks of."""
    expected: Expected | None = None
    """What it expects there."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> "RecordingEntry":
        is_camera = self.camera is not None and (self.picture is None) != (self.lost is None)
        is_word = self.location is not None and self.expected is not None
        if is_camera == is_word:
            raise ValueError("a line has a camera with its picture or why there is none, or a location with expected")
        return self
