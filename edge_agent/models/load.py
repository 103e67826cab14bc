"""Loads a model: its bundle read, its signature trusted, its golden samples run."""

from pathlib import Path

from edge_agent.config.sections import ModelSection
from kardus.inference.bundle import Bundle, Trust, read_bundle
from kardus.inference.classifier import Classifier
from kardus.support.errors import ConfigError, ProviderError
from kardus.support.memory import give_back


def load_model(settings: ModelSection, path: Path | None = None) -> tuple[Bundle, Classifier]:
    """Read a bundle (the configured one, unless another is named), require its trust, and run its golden samples.

    Raises:
        BundleError: it is damaged, not trusted, or computes otherwise here.
        ConfigError: none of the providers can run it here.
    """
    bundle = read_bundle(path or settings.bundle, Trust(settings.trust, settings.allow_unsigned))
    return bundle, golden_checked(bundle, settings)


def golden_checked(bundle: Bundle, settings: ModelSection) -> Classifier:
    """A classifier that has answered the bundle's golden samples as it should; its memory is warm by that.

    Raises:
        BundleError: onnxruntime can't load it, or it computes otherwise here.
        ConfigError: none of the providers can run it here.
    """
    try:
        classifier = Classifier(bundle, settings.threads, settings.providers)
    except ProviderError as error:
        raise ConfigError(f"model.providers: {error}") from error
    classifier.check_golden(bundle)
    give_back()  # a model is read, unpacked and prepared in several copies
    return classifier
