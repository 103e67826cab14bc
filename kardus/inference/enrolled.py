"""Logits for the products of today, from a graph that was made for those of the day it was trained.

A retired class loses its logit. An enrolled one gets a logit by its distance: the squared distance between the crop's
embedding and the mean of its photos (a Mahalanobis distance, since embeddings are whitened; nearest class means: Snell
et al., NeurIPS 2017) is held against that of the nearest trained class, on the scale on which the graph's own logits
differ. So temperature, faces, SKUs and categories work as for any class.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import Manifest
from kardus.inference.classification import squared_distances
from kardus.support.errors import BundleError

Floats = NDArray[np.float32]
DOUBT = 1.2
"""The squared distance to an enrolled class counts for so much more: few photos say less of it than training did."""


@dataclass(frozen=True)
class LiveClasses:
    """From the graph's classes to those of the manifest."""

    columns: NDArray[np.int64]
    """The graph's logit of each trained class that isn't retired, (t,)."""
    trained: Floats
    """Their prototypes, (t, d)."""
    enrolled: Floats
    """Those of the enrolled classes, (e, d)."""
    distance_per_logit: float

    def logits(self, graph: Floats, embedding: Floats) -> Floats:
        """Logits (N, t + e) in the order of the manifest's classes, from the graph's (N, g) and embeddings (N, d)."""
        kept = graph[:, self.columns]
        if not len(self.enrolled):
            return kept
        nearest = squared_distances(embedding, self.trained).min(axis=1, keepdims=True)
        ahead = (nearest - DOUBT * squared_distances(embedding, self.enrolled)) / self.distance_per_logit
        return np.concatenate([kept, kept.max(axis=1, keepdims=True) + ahead], axis=1)


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
    return LiveClasses(columns, prototypes[: len(trained)], prototypes[len(trained) :], changes.distance_per_logit)
