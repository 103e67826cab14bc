"""Photos of the products that a bundle knows, which a new one is held against."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from export.last_layer import FittedRow, examples, fit_row, sibling_row
from kardus.contract.manifest import Changes, Manifest
from kardus.inference.classifier import Classifier
from kardus.inference.preprocess import Pixels
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.console import err
from kardus.support.errors import UsageError
from train.data.data_set import read_data
from train.data.photos import load_crops


@dataclass(frozen=True)
class KnownPhotos:
    """Photos of the products that a bundle knows."""

    crops: Pixels
    """(n, S, S, 3) uint8 RGB."""
    names: tuple[str, ...]
    """The class of each, (n,)."""


def read_known_photos(source: Path, manifest: Manifest) -> KnownPhotos:
    """The photos of a data set that are of a bundle's classes; what isn't, and which classes lack, is noted.

    Raises:
        DataError: the data set, or a photo, can't be read.
        UsageError: it has no photo of the bundle's classes.
    """
    data, names = read_data(source), {info.name for info in manifest.classes}
    known = tuple(sample for sample in data.samples if sample.name in names)
    if not known:
        raise UsageError(f"--against {source}: no photo of a class of the bundle: name the photos it was trained on")
    if others := len(data.samples) - len(known):
        err.print(f"note: {source}: {others} photos of other classes are passed over", highlight=False, soft_wrap=True)
    if missing := sorted(names - {sample.name for sample in known}):
        told = f"note: {source}: no photo of {', '.join(missing)}: the new product isn't held against them"
        err.print(told, highlight=False, soft_wrap=True)
    crops = load_crops(replace(data, samples=known), manifest.input.size, "Reading photos")
    return KnownPhotos(crops, tuple(sample.name for sample in known))


def hold_against(
    known: KnownPhotos, rivals: Sequence[str], classifier: Classifier, views: Sequence[RawOutputs], changes: Changes
) -> FittedRow:
    """Fit a new product's row against photos of the others.

    Args:
        known: their photos, at least one.
        rivals: the classes that the new product is to be told apart from.
        classifier: of the bundle before.
        views: what it says of each photo of the new product, with as many views each.
        changes: the bundle's.

    Raises:
        UsageError: `known` has no photo of a rival.
    """
    chosen = [index for index, name in enumerate(known.names) if name in rivals]
    if not chosen:
        raise UsageError(
            "--against: has no photo of another product that the bundle knows: name those it was trained on"
        )
    names = [info.name for info in classifier.classes]
    columns = [names.index(name) for name in rivals]
    labels = np.array([rivals.index(known.names[index]) for index in chosen], np.int64)
    given = classifier.run(known.crops[chosen]), RawOutputs.joined(views)
    own, new = (replace(outputs, logits=outputs.logits[:, columns]) for outputs in given)
    mean = new.embedding.mean(axis=0).astype(np.float64)
    start = sibling_row(own, labels, mean, changes.distance_per_logit)
    return fit_row(examples(own, labels, new, len(views)), start)
