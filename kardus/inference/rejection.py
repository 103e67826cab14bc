"""How much a crop looks like any of the known classes at all: the scores that reject what is none of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import RejectionScore

Floats = NDArray[np.float32]


def class_means(embedding: Floats, labels: NDArray[np.int64], classes: int) -> Floats:
    """The prototype of each class, (classes, d): the mean embedding (n, d) of its crops (n,), or 0 without one."""
    sums = np.zeros((classes, embedding.shape[1]), np.float64)
    np.add.at(sums, labels, embedding)
    counts = np.bincount(labels, minlength=classes)[:, None]
    means: Floats = (sums / np.maximum(counts, 1)).astype(np.float32)
    return means


def rejection_scores(kind: RejectionScore, logits: Floats, embedding: Floats, prototypes: Floats) -> Floats:
    """The score of each crop, (N,), higher for what is known.

    - `max_logit`: the largest logit (Vaze et al., ICLR 2022);
    - `energy`: the logarithm of the sum of their exponentials (Liu et al., NeurIPS 2020);
    - `prototype`: the cosine to the nearest prototype;
    - `distance`: less the squared distance to the nearest prototype, which is Mahalanobis' distance, since the
      embedding is whitened (Lee et al., NeurIPS 2018).

    Args:
        kind: which score.
        logits: (N, classes).
        embedding: (N, d).
        prototypes: (classes, d).
    """
    score: Floats
    if kind == "max_logit":
        score = logits.max(axis=1)
    elif kind == "energy":
        top = logits.max(axis=1)
        score = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    elif kind == "prototype":
        score = (_unit(embedding) @ _unit(prototypes).T).max(axis=1)
    else:
        score = -squared_distances(embedding, prototypes).min(axis=1)
    return score


def squared_distances(embedding: Floats, prototypes: Floats) -> Floats:
    """Between each embedding (N, d) and each prototype (c, d): (N, c)."""
    result: Floats = np.square(embedding[:, None, :] - prototypes[None]).sum(axis=2)
    return result


def _unit(vectors: Floats) -> Floats:
    result: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return result
