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


@dataclass(frozen=True)
class SkuScore:
    """How likely a product is, between 0 and 1."""

    sku: str
    likelihood: float


@dataclass(frozen=True)
class Classification:
    """What the classifier says of one crop."""

    name: str
    """The most likely face of `sku`."""
    sku: str
    """The most likely product: the likelihoods of its faces are summed."""
    category: str
    """The most likely category."""
    confidence: float
    """Likelihood of `sku`, between 0 and 1."""
    category_confidence: float
    known: bool
    """Whether the crop looks like any of the classes at all."""
    skus: tuple[SkuScore, ...]
    """Every product with its likelihood, most likely first."""
    doubted: bool = False
    """Whether it looks less like the classes than nearly all of their photos do."""
    like_empty: bool | None = None
    """Whether the slot looks like its own empty picture; None: there is none, or it can't be told."""

    def likelihood(self, sku: str) -> float:
        """The likelihood of a product; 0 for one that the model doesn't know."""
        return next((score.likelihood for score in self.skus if score.sku == sku), 0.0)
