"""What travels between the threads of a model's change."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kardus.contract.commands import ChangeModel
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier


@dataclass(frozen=True)
class Order:
    """Another model is wanted: one that is to be fetched, or one in a file."""

    command: ChangeModel | None = None
    file: Path | None = None

    @property
    def force(self) -> bool:
        """Whether it is taken though it is older, lacks a product, or was refused before."""
        return self.command is not None and self.command.force


@dataclass(frozen=True)
class Candidate:
    """A bundle that could be trusted and computes right."""

    order: Order
    staged: Path
    """Its file, in the store's staging folder."""
    sha256: str
    bundle: Bundle
    classifier: Classifier


@dataclass(frozen=True)
class Refused:
    """A bundle that isn't taken."""

    order: Order
    reason: str
    sha256: str = ""
    """Empty: it never came as it was meant, and may be tried again."""


@dataclass(frozen=True)
class Progress:
    """How far a bundle is on its way."""

    order: Order
    phase: Literal["fetching", "verifying"]


Brought = Candidate | Refused | Progress
