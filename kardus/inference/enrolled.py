"""Logits for the products of today, from a graph that was made for those of the day it was trained.

A retired class loses its logit. An enrolled one gets a logit by its distance: the squared distance between the crop's
embedding and the mean of its photos (a Mahalanobis distance, since embeddings are whitened; nearest class means: Snell
et al., NeurIPS 2017) is held against that of the nearest trained class, on the scale on which the graph's own logits
differ. So temperature, faces, SKUs and categories work as for any class.

Ratios of distances are compared, since photos that a network wasn't trained on lie further from every mean. Bundles of
before this was compare differences, and are judged as they always were.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import Manifest
from kardus.inference.classification import MIN_DISTANCE, squared_distances
from kardus.support.errors import BundleError

Float32Array = NDArray[np.float32]
DOUBT = 1.2
"""The squared distance to an enrolled class counts for so much more: few photos say less of it than training did.
Where differences are compared."""


class Margin(NamedTuple):
    """How much nearer than the nearest trained class a crop must be to an enrolled one to be of it."""

    most: float
    """By how much the logarithm of the squared distance must be less, where there are many photos."""
    few_photos: float
    """The margin is less by this share over the number of photos: the fewer they are, the further are others of it."""

    def of(self, photos: int) -> float:
        """The margin of a class of so many enrolled photos."""
        return self.most * (1 - self.few_photos / photos)


MARGINS = {"last": Margin(0.4, 0.6), "stages": Margin(0.3, 1.0)}
"""By what the embedding is computed from (`--embedding`): with earlier stages new products are told apart better."""


@dataclass(frozen=True)
class LiveClasses:
    """From the graph's classes to those of the manifest."""

    columns: NDArray[np.int64]
    """The graph's logit of each trained class that isn't retired, (t,)."""
    trained: Float32Array
    """Their prototypes, (t, d)."""
    enrolled: Float32Array
    """Those of the enrolled classes, (e, d)."""
    distance_per_logit: float
    logit_per_log_distance: float = 0.0
    """0: differences of distances are compared, not ratios."""
    photos: tuple[int, ...] = ()
    """From how many each of the enrolled classes was enrolled, (e,)."""
    margin: Margin = MARGINS["last"]

    def logits(self, graph: Float32Array, embedding: Float32Array) -> Float32Array:
        """Logits (N, t + e) in the order of the manifest's classes, from the graph's (N, g) and embeddings (N, d)."""
        kept = graph[:, self.columns]
        if not len(self.enrolled):
            return kept
        nearest = squared_distances(embedding, self.trained).min(axis=1, keepdims=True)
        ahead = self.logits_ahead(nearest, squared_distances(embedding, self.enrolled))
        return np.concatenate([kept, kept.max(axis=1, keepdims=True) + ahead], axis=1)

    def logits_ahead(self, nearest: Float32Array, own: Float32Array) -> Float32Array:
        """How far the logits of enrolled classes are above the largest other one, (N, e).

        Args:
            nearest: (N, 1), the squared distance to the nearest trained class.
            own: (N, e), those to the enrolled classes.
        """
        if not self.logit_per_log_distance:
            differences: Float32Array = ((nearest - DOUBT * own) / self.distance_per_logit).astype(np.float32)
            return differences
        least = np.float32(MIN_DISTANCE)
        nearer = np.log(np.maximum(nearest, least)) - np.log(np.maximum(own, least))
        margins = np.array([self.margin.of(count) for count in self.photos], np.float32)
        ratios: Float32Array = ((nearer - margins) * self.logit_per_log_distance).astype(np.float32)
        return ratios


def live_classes(source: str, manifest: Manifest) -> LiveClasses | None:
    """What a manifest's changes come to; None where there are none.

    Raises:
        BundleError: they don't fit its classes and prototypes.
    """
    changes = manifest.changes
    if changes is None:
        return None
    names = [info.name for info in manifest.classes]
    trained = [name for name in names if name in changes.graph_classes]
    enrolled = [name for name in names if name in changes.enrolled]
    fits = len(set(changes.graph_classes)) == len(changes.graph_classes) and len(set(names)) == len(names)
    if not fits or names != trained + enrolled or set(enrolled) != set(changes.enrolled) or not trained:
        raise BundleError(
            f"{source}: its changes don't fit its classes: enroll and retire from the earlier bundle again"
        )
    prototypes = np.array(manifest.prototypes, np.float32)
    if prototypes.ndim != 2 or len(prototypes) != len(names):  # noqa: PLR2004 - a matrix
        raise BundleError(f"{source}: changes need one prototype for each of its {len(names)} classes: build it again")
    columns = np.array([changes.graph_classes.index(name) for name in trained], np.int64)
    return LiveClasses(
        columns,
        prototypes[: len(trained)],
        prototypes[len(trained) :],
        changes.distance_per_logit,
        changes.logit_per_log_distance,
        tuple(changes.enrolled[name] for name in enrolled),
        Margin(changes.margin, changes.few_photos),
    )
