"""The records of a model update that go from one thread to another."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kardus.contract.commands import ChangeModel
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier


@dataclass(frozen=True)
class UpdateRequest:
    """Another model is wanted: one that is to be fetched, or one in a file."""

    command: ChangeModel | None = None
    file: Path | None = None

    @property
    def force(self) -> bool:
        """Whether it is taken though it is older, lacks a product, or was refused before."""
        return self.command is not None and self.command.force


@dataclass(frozen=True)
class VerifiedBundle:
    """A trusted bundle whose golden samples agree: the candidate."""

    request: UpdateRequest
    staged: Path
    """Its file, in the store's staging folder."""
    sha256: str
    bundle: Bundle
    classifier: Classifier


@dataclass(frozen=True)
class RefusedBundle:
    """A bundle that isn't taken."""

    request: UpdateRequest
    reason: str
    sha256: str = ""
    """Empty: it never came as it was meant, and may be tried again."""


@dataclass(frozen=True)
class IntakeProgress:
    """How far a bundle is on its way."""

    request: UpdateRequest
    phase: Literal["fetching", "verifying"]


IntakeResult = VerifiedBundle | RefusedBundle | IntakeProgress
