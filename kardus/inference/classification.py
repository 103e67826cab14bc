"""What a classifier says of a crop."""

from __future__ import annotations

from dataclasses import dataclass


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
