"""The frozen records that the stages hand on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from PIL import Image


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
    picture: Image.Image
    """RGB."""


@dataclass(frozen=True)
class SignalLost:
    """The camera gave no picture that can be trusted."""

    camera: str
    captured: datetime
    reason: str


@dataclass(frozen=True)
class Ended:
    """The camera's source has come to its end: a folder, a video, a script."""

    camera: str
    captured: datetime


@dataclass(frozen=True)
class ExpectedMessage:
    """Expected stock as it came from the broker."""

    location: str
    payload: bytes


@dataclass(frozen=True)
class HomeAssistantOnline:
    """Home Assistant has started, and asks who is there."""


@dataclass(frozen=True)
class ReloadWanted:
    """The configuration may have changed."""
