"""The model that judges: read, trusted, and tried on its golden samples before anything rests on it."""

from __future__ import annotations

from typing import Protocol

from edge_agent.bundle import Bundle, read_bundle, require_trust
from edge_agent.classifier import Classifier
from edge_agent.config.sections import ModelSection
from edge_agent.contract.messages import Model
from edge_agent.preprocess import Pixels
from edge_agent.records import Classification

NONE = "none"
"""Name and version of the model, in messages, where there is none yet."""
_NOTHING = Classification("", "", "", 0.0, 0.0, known=False, skus=())


class Looker(Protocol):
    """What looks at crops."""

    @property
    def size_px(self) -> int:
        """Width and height of the crops that it takes."""

    def classify(self, crops: Pixels) -> list[Classification]:
        """An answer for each of the crops (N, size_px, size_px, 3), uint8 RGB."""


class NoModel:
    """Knows no product at all: a warehouse that has no photos yet has no model."""

    size_px = 32

    def classify(self, crops: Pixels) -> list[Classification]:
        """For each crop, that nothing is known of it."""
        return [_NOTHING] * len(crops)


def open_model(settings: ModelSection | None) -> tuple[Model, Looker]:
    """What judges, and what it is called.

    Raises:
        BundleError: it is damaged, not trusted, or computes otherwise here.
    """
    if settings is None:
        return Model(name=NONE, version=NONE), NoModel()
    bundle, classifier = load_model(settings)
    return Model(name=bundle.manifest.name, version=bundle.manifest.version), classifier


def load_model(settings: ModelSection) -> tuple[Bundle, Classifier]:
    """Read the bundle, require its trust, and run its golden samples.

    Raises:
        BundleError: it is damaged, not trusted, or computes otherwise here.
    """
    bundle = read_bundle(settings.bundle)
    require_trust(bundle, settings.trust, allow_unsigned=settings.allow_unsigned)
    classifier = Classifier(bundle, settings.threads)
    classifier.check_golden(bundle)
    return bundle, classifier
