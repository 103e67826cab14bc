"""The model that judges: read, trusted, and tried on its golden samples before anything rests on it."""

from __future__ import annotations

from edge_agent.bundle import Bundle, read_bundle, require_trust
from edge_agent.classifier import Classifier
from edge_agent.config.sections import ModelSection


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
