"""Recursive Multi-Scale Channel-Spatial Attention Module (RMCSAM).

Liu, Wang, Mase, Kato: "Recursive Multi-Scale Channel-Spatial Attention for Fine-Grained Image Classification",
IEICE Trans. Inf. & Syst. E105-D(3), 2022, doi 10.1587/transinf.2021EDP7166. Written from the paper's description.
"""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn

REDUCTIONS = (8, 16, 32)
KERNELS_PX = (7, 5, 3)
RECURSIONS = 3


class RMCSAM(nn.Module):
    """Channel and spatial attention, each at several scales, applied recursively with shared weights.

    Takes and returns feature maps of shape (N, channels, H, W).
    """

    def __init__(
        self,
        channels: int,
        reductions: Sequence[int] = REDUCTIONS,
        kernels_px: Sequence[int] = KERNELS_PX,
        recursions: int = RECURSIONS,
    ) -> None:
        """Build the perceptrons and convolutions of one step, which is applied `recursions` times."""
        super().__init__()
        self.channel = ChannelAttention(channels, reductions)
        self.spatial = SpatialAttention(kernels_px)
        self.recursions = recursions

    def forward(self, x: Tensor) -> Tensor:
        """Apply the step `recursions` times: (N, C, H, W) -> (N, C, H, W)."""
        for _ in range(self.recursions):
            x = x * self.channel(x) + x * self.spatial(x)
        return x


class ChannelAttention(nn.Module):
    """A weight in (0, 1) for each channel, from global mean and max pooling through perceptrons of several widths."""

    def __init__(self, channels: int, reductions: Sequence[int]) -> None:
        """Make one two-layer perceptron for each reduction (hidden size channels / reduction)."""
        super().__init__()
        self.perceptrons = nn.ModuleList(
            nn.Sequential(
                nn.Linear(channels, channels // reduction, bias=False),
                nn.ReLU(),
                nn.Linear(channels // reduction, channels, bias=False),
            )
            for reduction in reductions
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, 1, 1)."""
        # 2 x (N, C); the maximum in two steps: pnnx knows that over one axis alone
        pooled = (x.mean(dim=(2, 3)), x.amax(dim=3).amax(dim=2))
        total = reduce(torch.add, (perceptron(p) for perceptron in self.perceptrons for p in pooled))
        return torch.sigmoid(total)[:, :, None, None]


class SpatialAttention(nn.Module):
    """A weight in (0, 1) for each position, from max and mean over the channels through kernels of several sizes."""

    def __init__(self, kernels_px: Sequence[int]) -> None:
        """Make one convolution with batch normalisation for each kernel size."""
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Sequential(nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(1))
            for kernel in kernels_px
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, 1, H, W)."""
        summary = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)  # (N, 2, H, W)
        total = reduce(torch.add, (convolution(summary) for convolution in self.convolutions))
        return torch.sigmoid(total)
