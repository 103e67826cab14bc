"""Compares two bundles: their manifests, and their predictions on the same photos."""

from dataclasses import dataclass

import numpy as np

from kardus.contract.manifest import ClassInfo, Metric
from kardus.inference.bundle import Bundle
from kardus.inference.classification import Classification
from kardus.inference.classifier import Classifier
from kardus.inference.preprocess import Pixels

BATCH = 64


@dataclass(frozen=True)
class Agreement:
    """How far the predictions of two bundles on the same crops agree."""

    n: int
    same_product: float
    """Proportion of crops for which both predict the same SKU, or both unknown."""
    changed: tuple[tuple[int, str, str], ...]
    """Each crop with different predictions: its index, and both of them ("unknown" for a rejected crop)."""


@dataclass(frozen=True)
class BundleDiff:
    """The differences between two bundles."""

    came: tuple[str, ...]
    """Classes that only the second knows."""
    went: tuple[str, ...]
    """Classes that only the first knows."""
    facts: dict[str, tuple[str, str]]
    """The values of the manifests, where they differ."""
    agreement: Agreement | None


def diff_bundles(first: Bundle, second: Bundle) -> BundleDiff:
    """Compare the manifests of two bundles."""
    one, other = ({info.name for info in bundle.manifest.classes} for bundle in (first, second))
    rows = zip(_facts(first).items(), _facts(second).values(), strict=True)
    facts = {what: (before, after) for (what, before), after in rows if before != after}
    classes = [{info.name: info for info in bundle.manifest.classes} for bundle in (first, second)]
    for name in sorted(one & other):
        before, after = (_described(known[name]) for known in classes)
        if before != after:
            facts[name] = before, after
    return BundleDiff(tuple(sorted(other - one)), tuple(sorted(one - other)), facts, None)


def agreement(first: Bundle, second: Bundle, crops_of_first: Pixels, crops_of_second: Pixels) -> Agreement:
    """Compare the predictions of two bundles on the same photos, each at its own size: (N, S, S, 3) uint8 RGB."""
    one, other = _named(first, crops_of_first), _named(second, crops_of_second)
    changed = tuple((i, a, b) for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)
    return Agreement(len(one), 1 - len(changed) / len(one), changed)


def _named(bundle: Bundle, crops: Pixels) -> list[str]:
    classifier = Classifier(bundle)
    parts = np.array_split(crops, max(1, len(crops) // BATCH))
    answers = [answer for part in parts for answer in classifier.classify(part)]
    return [_name(answer) for answer in answers]


def _name(answer: Classification) -> str:
    if not answer.known:
        return "unknown"
    return f"{answer.sku} (doubted)" if answer.doubted else answer.sku


def _facts(bundle: Bundle) -> dict[str, str]:
    manifest = bundle.manifest
    by_level = {metric.name: metric for metric in manifest.metrics}
    return {
        "name": bundle.title,
        "network": f"{manifest.training.architecture}, {manifest.input.size} px",
        "precision": manifest.precision,
        "model": f"{len(bundle.model) / 1e6:.2f} MB",
        "classes": str(len(manifest.classes)),
        "trained on": f"{manifest.training.photos} photos, SHA-256 {manifest.training.data_sha256[:16]}",
        "held out, by class": _metric(by_level.get("class")),
        "temperature": f"{manifest.calibration.temperature:.3f}",
        "unknown below": f"{manifest.calibration.rejection_threshold:.3f}",
        "doubted below": f"{manifest.calibration.doubt_threshold:.3f}",
        "signed by": ", ".join(bundle.signed_by) or "nobody",
    }


def _described(info: ClassInfo) -> str:
    told = info.model_dump(exclude={"name"})
    return ", ".join(f"{key} {value}" for key, value in told.items() if value)


def _metric(metric: Metric | None) -> str:
    return f"{100 * metric.value:.1f} % (n = {metric.n})" if metric else "not measured"
