"""What a camera gave, and what its pictures show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from PIL import Image

from kardus.contract.messages import Expected
from kardus.inference.classification import Classification
from kardus.inference.colour_correction import ColourCorrection
from kardus.inference.geometry import Float64Array
from kardus.inference.part_decoded import GivenPicture, whole_of
from kardus.inference.preprocess import Pixels


@dataclass(frozen=True)
class Frame:
    """One picture from a camera."""

    camera: str
    number: int
    """Counts from 1 at every start of the camera."""
    captured: datetime
    """UTC."""
    at_s: float
    """The same moment on a clock that never jumps: seconds, of meaning only beside others of this camera."""
    given: GivenPicture
    """The picture as its source gave it, RGB; its `size` is that of the whole picture."""

    @property
    def picture(self) -> Image.Image:
        """All of it, RGB; decoded when it is first asked for, where only half was.

        Raises:
            BrokenPictureError: it can't be decoded after all.
        """
        return whole_of(self.given)


@dataclass(frozen=True)
class SignalLost:
    """The camera gave no picture that can be trusted."""

    camera: str
    captured: datetime
    reason: str


@dataclass(frozen=True)
class SourceEnded:
    """The camera's source has come to its end: a folder, a video, a script."""

    camera: str
    captured: datetime


@dataclass(frozen=True)
class Activity:
    """What happens in a slot."""

    classify: bool
    """It is to be classified."""
    changed: bool = False
    """Its content isn't what was classified last: earlier votes don't count any more."""
    obstructed: bool = False
    """For some time it has moved, or something has stood before it."""
    busy: bool = False
    """It moves, or something stands before it: this picture says nothing of its stock."""
    settled: bool = False
    """It is busy, and hasn't moved for some time: what stands before it seems to stay."""
    relit: bool = False
    """Its content is what it was when it was first classified, and the light on it is another."""
    rested_s: float = 0.0
    """For how long a changed content was seen to rest before it could be classified, since the light changed with it:
    at most what is asked for, without longer gaps between pictures."""


@dataclass(frozen=True)
class SlotObservations:
    """What a good picture shows of a camera's n slots."""

    captured: datetime
    activities: Sequence[Activity]
    """One a slot (n)."""
    chosen: tuple[int, ...]
    """Which slots are to be classified."""
    picture: GivenPicture
    """As its source gave it, RGB."""
    corners: Float64Array
    """(len(chosen), 4, 2): where these are in it, in pixels."""
    crops: Pixels
    """(len(chosen), size, size, 3) uint8 RGB, cut out there, and corrected."""
    like_empty: tuple[bool | None, ...]
    """What their own empty pictures say of them; None: nothing."""
    correction: ColourCorrection | None = None
    """What was done to the crops' colours; None: nothing."""


@dataclass(frozen=True)
class LocationView:
    """A location in its camera's last good picture."""

    camera: str
    captured: datetime
    picture: Image.Image
    """RGB."""
    facings: Sequence[Float64Array]
    """The corners (4, 2) of each of its facings, in pixels."""


@dataclass(frozen=True)
class ClassifiedCrops:
    """What the model in use says of some slots of a picture."""

    frame: Image.Image
    """RGB."""
    corners: Float64Array
    """(slots, 4, 2) in pixels."""
    answers: Sequence[Classification]
    expected: Sequence[Expected | None]
    """What the WMS expects in each slot."""
    correction: ColourCorrection | None = None
    """What is done to the crops' colours first; None: nothing."""
