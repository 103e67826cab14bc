"""What looks at crops: a model, or nothing yet."""

from __future__ import annotations

from typing import Protocol

from kardus.contract.messages import Model
from kardus.inference.classification import Classification
from kardus.inference.preprocess import Pixels

NO_MODEL = Model(name="none", version="none")
"""The model in messages, where there is none yet."""
_NOTHING = Classification("", "", "", 0.0, 0.0, known=False, skus=())


class Looker(Protocol):
    """What looks at crops."""

    @property
    def size_px(self) -> int:
        """Width and height of the crops that it takes."""

    def classify(self, crops: Pixels) -> list[Classification]:
        """An answer for each of the crops (N, size_px, size_px, 3), uint8 RGB."""


class Nobody:
    """Knows no product at all: a warehouse that has no photos yet has no model."""

    size_px = 32

    def classify(self, crops: Pixels) -> list[Classification]:
        """For each crop, that nothing is known of it."""
        return [_NOTHING] * len(crops)
