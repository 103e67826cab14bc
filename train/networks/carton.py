"""The carton classifier: backbone, optional RMCSAM, pooling, dropout, linear head."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.networks.backbones import TimmBackbone, build_backbone, stage_channels
from train.networks.rmcsam import KERNELS_PX, RECURSIONS, REDUCTIONS, RMCSAM
from train.networks.whitening import Whitening


class InputStatistics(NamedTuple):
    """What a network's input is normalised by, by channel (R, G, B) on the 0..255 scale."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET_STATISTICS = InputStatistics((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""ImageNet's channels: what most published weights were trained with, and what random ones begin with."""


class Outputs(NamedTuple):
    """The network's outputs for N crops."""

    logits: Tensor
    """(N, classes)."""
    embedding: Tensor
    """(N, d), whitened: see `train.networks.whitening`."""
    evidence: Tensor
    """(N, h, w), 0 or more: the class activation map of the most likely class."""


class AttentionSpec(NamedTuple):
    """The hyperparameters of RMCSAM, in the order of its arguments."""

    reductions: tuple[int, ...] = REDUCTIONS
    kernels_px: tuple[int, ...] = KERNELS_PX
    recursions: int = RECURSIONS


class CartonNet(nn.Module):
    """Classifies crops. Takes float RGB of shape (N, 3, S, S) on the 0..255 scale; normalises inside."""

    def __init__(
        self,
        architecture: str,
        classes: int,
        *,
        attention: AttentionSpec | None = None,
        pooling: str = "avg",
        dropout: float = 0.2,
        categories: int = 0,
        stages: bool = False,
    ) -> None:
        """Build the network with random weights.

        Args:
            architecture: one of `backbones.ARCHITECTURES`, or `timm:NAME`.
            classes: outputs of the head.
            attention: RMCSAM's hyperparameters; None: no attention.
            pooling: "avg" or "gem" (generalised mean with p = 3: Radenovic et al., TPAMI 2019).
            dropout: its probability, before the heads.
            categories: outputs of an auxiliary head that is used in training only; 0 for none.
            stages: whether the embedding is computed from maps of earlier stages, too.

        Raises:
            UsageError: the architecture is not known, or has no stages.
        """
        super().__init__()
        self.features, channels = build_backbone(architecture)
        self.attention: nn.Module = RMCSAM(channels, *attention) if attention else nn.Identity()
        self.pool: nn.Module = GeM() if pooling == "gem" else AveragePool()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, classes)
        self.stages = stages
        self.space = Whitening(channels + (sum(stage_channels(self.features, architecture)) if stages else 0), classes)
        self.category_head = nn.Linear(channels, categories) if categories else None
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.empty(1, 3, 1, 1))
        self.register_buffer("std", torch.empty(1, 3, 1, 1))
        self.use_statistics(IMAGENET_STATISTICS)
        self.register_load_state_dict_pre_hook(_complete)  # type: ignore[no-untyped-call]

    def use_statistics(self, statistics: InputStatistics) -> None:
        """Normalise by these: they belong to the weights, and are kept and loaded with them."""
        self.mean.copy_(torch.tensor(statistics.mean).view(1, 3, 1, 1))
        self.std.copy_(torch.tensor(statistics.std).view(1, 3, 1, 1))

    @property
    def statistics(self) -> InputStatistics:
        """What the input is normalised by."""
        return InputStatistics(tuple(self.mean.flatten().tolist()), tuple(self.std.flatten().tolist()))

    def feature_map(self, crops: Tensor) -> Tensor:
        """(N, 3, S, S) on 0..255 -> (N, channels, h, w)."""
        normalised = (crops - self.mean) / self.std
        attended: Tensor = self.attention(self.features(normalised))
        return attended

    def pooled(self, crops: Tensor) -> Tensor:
        """(N, 3, S, S) on 0..255 -> (N, channels)."""
        features: Tensor = self.pool(self.feature_map(crops))
        return features

    def described(self, crops: Tensor) -> Tensor:
        """(N, 3, S, S) on 0..255 -> (N, c): what the embedding is computed from."""
        return self._maps(crops)[1]

    def _maps(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """The feature map (N, channels, h, w), and what the embedding is computed from (N, c).

        That is the pooled map; with stages also the means of earlier maps, each of length 1 as it is itself.
        """
        if not (self.stages and isinstance(self.features, TimmBackbone)):
            maps = self.feature_map(crops)
            return maps, self.pool(maps)
        last, earlier = self.features.with_stages((crops - self.mean) / self.std)
        maps = self.attention(last)
        parts = [*(stage.mean(dim=(2, 3)) for stage in earlier), self.pool(maps)]
        return maps, torch.cat([part / _length(part) for part in parts], dim=1)

    def pooled_and_described(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        """What the logits and what the embedding is computed from, (N, channels) and (N, c)."""
        maps, described = self._maps(crops)
        return self.pool(maps), described

    def forward(self, crops: Tensor) -> Tensor:
        """Logits (N, classes): all that training needs."""
        logits: Tensor = self.head(self.dropout(self.pooled(crops)))
        return logits

    def with_categories(self, crops: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits (N, classes), and the auxiliary head's (N, categories) where there is one."""
        pooled = self.dropout(self.pooled(crops))
        return self.head(pooled), self.category_head(pooled) if self.category_head is not None else None

    def explain(self, crops: Tensor) -> Outputs:
        """Logits, embedding and evidence map.

        The evidence is the class activation map of the top class (Zhou et al., CVPR 2016).
        """
        maps, described = self._maps(crops)
        logits = self.head(self.dropout(self.pool(maps)))
        weights = self.head.weight[logits.argmax(dim=1)]  # (N, channels)
        evidence = torch.relu((maps * weights[:, :, None, None]).sum(dim=1))
        return Outputs(logits, self.space(described), evidence)


def _length(rows: Tensor) -> Tensor:
    """(N, c) -> (N, 1): Euclidean norms, in operators that the converters of NPUs know, too."""
    return torch.sqrt((rows * rows).sum(dim=1, keepdim=True) + 1e-24)


def _complete(_module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    """Weights that were kept before input statistics were kept with them were trained with ImageNet's."""
    for name, values in IMAGENET_STATISTICS._asdict().items():
        state.setdefault(prefix + name, torch.tensor(values).view(1, 3, 1, 1))


class AveragePool(nn.Module):
    """Global average pooling: (N, C, H, W) -> (N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        """Mean over the spatial positions."""
        return x.mean(dim=(2, 3))


class GeM(nn.Module):
    """Generalised-mean pooling with a fixed exponent: (N, C, H, W) -> (N, C)."""

    def __init__(self, p: float = 3.0) -> None:
        """Keep the exponent; 1 is the average, infinity the maximum."""
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """The generalised mean over the spatial positions."""
        return x.clamp(min=1e-6).pow(self.p).mean(dim=(2, 3)).pow(1.0 / self.p)
