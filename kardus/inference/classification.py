"""From a network's outputs to what is said of each crop: likelihoods of products, and whether it is known at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kardus.contract.manifest import Blend, Calibration, ClassInfo, PixelAccuracy, RejectionScore

Float32Array = NDArray[np.float32]
BEYOND = -1e6
"""The score `blend` of what is too far from every prototype to be a product: below every threshold."""
MIN_DISTANCE = 1e-6
"""Squared distances below this, as of a class's only photo to itself, count as this: a logarithm must be finite."""


@dataclass(frozen=True)
class SkuScore:
    """How likely a product is, between 0 and 1."""

    sku: str
    likelihood: float


@dataclass(frozen=True)
class Classification:
    """What the classifier says of one crop."""

    name: str
    """The most likely face of `sku`."""
    sku: str
    """The most likely product: the likelihoods of its faces are summed."""
    category: str
    """The most likely category."""
    confidence: float
    """Likelihood of `sku`, between 0 and 1."""
    category_confidence: float
    known: bool
    """Whether the crop looks like any of the classes at all."""
    skus: tuple[SkuScore, ...]
    """Every product with its likelihood, most likely first."""
    doubted: bool = False
    """Whether it looks less like the classes than nearly all of their photos do."""
    like_empty: bool | None = None
    """Whether the slot looks like its own empty picture; None: there is none, or it can't be told."""

    def likelihood(self, sku: str) -> float:
        """The likelihood of a product; 0 for one that the model doesn't know."""
        return next((score.likelihood for score in self.skus if score.sku == sku), 0.0)


class CropClassifier(Protocol):
    """A model that classifies crops, or what stands in its place."""

    @property
    def size_px(self) -> int:
        """Width and height of the crops that it takes."""

    @property
    def classes(self) -> Sequence[ClassInfo]:
        """The class table."""

    @property
    def pixels(self) -> Sequence[PixelAccuracy]:
        """How often the class is right, by the pixels of a crop; empty where it isn't known."""

    def classify(self, crops: NDArray[np.uint8]) -> list[Classification]:
        """An answer for each of the crops (N, size_px, size_px, 3), uint8 RGB."""


def interpret(
    logits: Float32Array, classes: Sequence[ClassInfo], calibration: Calibration, scores: Float32Array
) -> list[Classification]:
    """Turn logits (N, classes) into calibrated answers: faces are summed into SKUs, SKUs into categories.

    `scores` (N,) are the rejection scores that the calibration's thresholds were set for.
    """
    probabilities = softmax(logits / calibration.temperature)
    return [_classification(row, score, classes, calibration) for row, score in zip(probabilities, scores, strict=True)]


def softmax(logits: Float32Array) -> Float32Array:
    """Probabilities along the last axis, shape as given."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: Float32Array = shifted / shifted.sum(axis=-1, keepdims=True)
    return result


def _classification(
    probabilities: Float32Array, score: float, classes: Sequence[ClassInfo], calibration: Calibration
) -> Classification:
    by_sku: dict[str, float] = {}
    by_category: dict[str, float] = {}
    for info, probability in zip(classes, probabilities, strict=True):
        by_sku[info.sku] = by_sku.get(info.sku, 0.0) + float(probability)
        by_category[info.category] = by_category.get(info.category, 0.0) + float(probability)
    name = _likeliest(probabilities, classes)
    skus = tuple(SkuScore(s, p) for s, p in sorted(by_sku.items(), key=lambda item: -item[1]))
    category = max(by_category, key=by_category.__getitem__)
    return Classification(
        name=_likeliest_face(probabilities, classes, skus[0].sku),
        sku=skus[0].sku,
        category=category,
        confidence=min(1.0, skus[0].likelihood),
        category_confidence=min(1.0, by_category[category]),
        known=bool(score >= calibration.rejection_threshold),
        skus=skus,
        doubted=bool(score < calibration.doubt_thresholds.get(name, calibration.doubt_threshold)),
    )


def _likeliest(probabilities: Float32Array, classes: Sequence[ClassInfo]) -> str:
    """The class whose doubt threshold counts: the most likely one, whatever product it is a face of."""
    return classes[int(probabilities.argmax())].name


def _likeliest_face(probabilities: Float32Array, classes: Sequence[ClassInfo], sku: str) -> str:
    """The most likely class among the faces of one product."""
    faces = [(float(p), info.name) for info, p in zip(classes, probabilities, strict=True) if info.sku == sku]
    return max(faces)[1]


def class_means(embedding: Float32Array, labels: NDArray[np.int64], classes: int) -> Float32Array:
    """The prototype of each class, (classes, d): the mean embedding (n, d) of its crops (n,), or 0 without one."""
    sums = np.zeros((classes, embedding.shape[1]), np.float64)
    np.add.at(sums, labels, embedding)
    counts = np.bincount(labels, minlength=classes)[:, None]
    means: Float32Array = (sums / np.maximum(counts, 1)).astype(np.float32)
    return means


def rejection_scores(
    kind: RejectionScore,
    logits: Float32Array,
    embedding: Float32Array,
    prototypes: Float32Array,
    blend: Blend | None = None,
) -> Float32Array:
    """The score of each crop, (N,), higher for what is known.

    - `max_logit`: the largest logit (Vaze et al., ICLR 2022);
    - `energy`: the logarithm of the sum of their exponentials (Liu et al., NeurIPS 2020);
    - `prototype`: the cosine to the nearest prototype;
    - `distance`: less the squared distance to the nearest prototype, which is Mahalanobis' distance, since the
      embedding is whitened (Lee et al., NeurIPS 2018);
    - `blend`: both the largest logit and minus the logarithm of that distance, each on the scale of known photos;
      BEYOND the farthest that these are.

    Args:
        kind: which score.
        logits: (N, classes).
        embedding: (N, d).
        prototypes: (classes, d).
        blend: the scale of the score `blend`, which needs it.
    """
    score: Float32Array
    if kind == "max_logit":
        score = logits.max(axis=1)
    elif kind == "energy":
        top = logits.max(axis=1)
        score = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    elif kind == "prototype":
        score = (_unit(embedding) @ _unit(prototypes).T).max(axis=1)
    else:
        score = -squared_distances(embedding, prototypes).min(axis=1)
        if kind == "blend":
            score = blended(logits.max(axis=1), score, blend)
    return score


def blended(max_logit: Float32Array, distance: Float32Array, blend: Blend | None) -> Float32Array:
    """The score `blend` (N,) from the scores `max_logit` (N,) and `distance` (N,).

    Raises:
        ValueError: `blend` is missing.
    """
    if blend is None:
        raise ValueError("the score `blend` needs its scale")
    nearness = log_nearness(distance)
    parts = ((max_logit, blend.max_logit), (nearness, blend.log_distance))
    score: Float32Array = np.sum(
        [(values - part.center) / part.spread for values, part in parts], axis=0, dtype=np.float32
    )
    return score if blend.farthest is None else np.where(nearness < blend.farthest, np.float32(BEYOND), score)


def log_nearness(distance: Float32Array) -> Float32Array:
    """Minus the logarithm of squared distances that are given as the score `distance` (N,), 0 or less."""
    nearness: Float32Array = -np.log(np.maximum(-distance, MIN_DISTANCE))
    return nearness


def squared_distances(embedding: Float32Array, prototypes: Float32Array) -> Float32Array:
    """Between each embedding (N, d) and each prototype (c, d): (N, c)."""
    result: Float32Array = np.square(embedding[:, None, :] - prototypes[None]).sum(axis=2)
    return result


def _unit(vectors: Float32Array) -> Float32Array:
    result: Float32Array = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return result
