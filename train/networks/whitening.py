"""The whitened embedding: distances in it are Mahalanobis distances, for unknown rejection and for enrolment.

Directions of large within-class variance are shrunk, those of small variance are stretched. The distance to the nearest
class mean detects out-of-distribution crops (Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution
Samples", NeurIPS 2018), and the mean of a few photos enrols a new product.
"""

import torch
from torch import Tensor, nn

WITHIN_DIRECTIONS = 256
"""Directions of largest within-class variance that are kept, beside those between the class means."""


class Whitening(nn.Module):
    """Pooled features (N, channels) -> embeddings (N, d): d - 1 whitened coordinates, and the scaled residual norm."""

    def __init__(self, channels: int, classes: int) -> None:
        """Allocate the buffers; `fit` fills them."""
        super().__init__()
        kept = min(channels - 1, classes - 1 + WITHIN_DIRECTIONS)
        self.center: Tensor
        self.directions: Tensor
        self.mixing: Tensor
        self.off: Tensor
        self.register_buffer("center", torch.zeros(channels))
        self.register_buffer("directions", torch.zeros(channels, kept))
        """Orthonormal columns; zero columns where there were too few photos."""
        self.register_buffer("mixing", torch.eye(kept))
        self.register_buffer("off", torch.ones(()))
        self.register_load_state_dict_pre_hook(_resize)  # type: ignore[no-untyped-call]

    def forward(self, pooled: Tensor) -> Tensor:
        """(N, channels) -> (N, d): the last coordinate is the scaled distance from the span of the kept directions."""
        centred = nn.functional.normalize(pooled, dim=1) - self.center
        along = centred @ self.directions
        beside = centred - along @ self.directions.T
        return torch.cat([along @ self.mixing, beside.norm(dim=1, keepdim=True) * self.off], dim=1)

    @torch.no_grad()
    def fit(self, pooled: Tensor, labels: Tensor) -> None:
        """Fit the whitening to pooled features (n, channels) with labels (n,), in double precision."""
        features = nn.functional.normalize(pooled.double(), dim=1)
        count, channels = features.shape
        present, index = torch.unique(labels, return_inverse=True)
        sums = torch.zeros(len(present), channels, dtype=torch.double).index_add_(0, index, features)
        means = sums / index.bincount().unsqueeze(1)
        center, within = features.mean(dim=0), features - means[index]
        between = _basis(means - center, min(len(present) - 1, self.directions.shape[1]))
        rest = _basis(within - within @ between @ between.T, self.directions.shape[1] - between.shape[1])
        kept = torch.cat([between, rest], dim=1)  # (channels, m)
        freedom = max(1, count - len(present))
        total = within.square().sum() / freedom
        covariance = (within @ kept).T @ (within @ kept) / freedom
        mean_variance = total / channels
        weight = shrinkage(channels, freedom)
        shrunk = (1 - weight) * covariance + weight * mean_variance * torch.eye(kept.shape[1]).double()
        values, vectors = torch.linalg.eigh(shrunk + 1e-12 * torch.eye(kept.shape[1]).double())
        beside = (total - covariance.trace()).clamp(min=0) / max(1, channels - kept.shape[1])
        self.center.copy_(center)
        self.directions.zero_()[:, : kept.shape[1]] = kept.float()
        self.mixing.copy_(torch.eye(len(self.mixing)))[: kept.shape[1], : kept.shape[1]] = (
            vectors / values.sqrt()
        ).float()
        self.off.copy_(1 / ((1 - weight) * beside + weight * mean_variance + 1e-12).sqrt())


def _resize(module: Whitening, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Take over how many directions were kept: networks of before have fewer."""
    directions, mixing = state.get(prefix + "directions"), state.get(prefix + "mixing")
    if directions is None or mixing is None or directions.dim() != 2:  # noqa: PLR2004 - a matrix
        return
    channels, kept = directions.shape
    if channels == len(module.center) and mixing.shape == (kept, kept):
        # on the device that the network is on already, and not where they were kept
        module.directions = module.directions.new_zeros(channels, kept)
        module.mixing = module.mixing.new_zeros(kept, kept)


def shrinkage(channels: int, freedom: int) -> float:
    """Weight (0..1) of the mean variance in the shrunk covariance (as Ledoit and Wolf, 2004, who estimate it).

    The fewer photos beyond their classes' means there are for each direction, the less their spread is trusted:
    photos that a network was trained on lie closer to each other than any others do.
    """
    return channels / (channels + freedom)


def _basis(rows: Tensor, most: int) -> Tensor:
    """Orthonormal columns (channels, m), m at most `most`: the directions in which rows (n, channels) vary most."""
    _, values, directions = torch.linalg.svd(rows, full_matrices=False)
    found = int((values > 1e-9 * values.max().clamp(min=1e-30)).sum())
    basis: Tensor = directions[: min(most, found)].T
    return basis
