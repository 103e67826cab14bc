"""Label-safe augmentation of whole batches: what a shelf may show, and nothing that changes the label.

No flips (no shelf shows mirrored print) and hardly any hue (an accent colour is the label). Works on tensors, so
that a batch costs a few milliseconds and needs no worker processes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST_CHANGE = 8.0
"""Mean difference of pixels (0..255) below which a copy in another hue still looks like the crop."""
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Augmenter:
    """Draws a new look for every crop of a batch. The defaults suit a few dozen photos a class."""

    size_px: int
    smallest_zoom: float = 0.65
    """The smallest share of the photo's width that a crop shows."""
    rotation_deg: float = 12.0
    shear: float = 0.08
    perspective: float = 0.06
    brightness: float = 0.35
    contrast: float = 0.3
    saturation: float = 0.25
    erase_probability: float = 0.3
    noise: float = 6.0
    """Largest standard deviation of added noise, on the 0..255 scale."""

    def __call__(self, photos: Tensor, generator: torch.Generator) -> Tensor:
        """(N, 3, H, W) on 0..255 -> (N, 3, size_px, size_px) on 0..255."""
        shown = functional.grid_sample(
            photos, self._grid(len(photos), generator), mode="bilinear", padding_mode="reflection", align_corners=False
        )
        shown = self._erase(self._colour(shown, generator), generator)
        spread = _uniform((len(photos), 1, 1, 1), 0.0, self.noise, generator)
        return (shown + spread * torch.randn(shown.shape, generator=generator)).clamp(0, 255)

    def _grid(self, count: int, generator: torch.Generator) -> Tensor:
        """Sampling grids (N, S, S, 2): zoom, place, rotation, shear, a little perspective."""
        zoom = _uniform((count,), self.smallest_zoom, 1.05, generator)
        aspect = torch.exp(_uniform((count,), -0.12, 0.12, generator))
        angle = _uniform((count,), -math.radians(self.rotation_deg), math.radians(self.rotation_deg), generator)
        shear = _uniform((count,), -self.shear, self.shear, generator)
        room = (1 - zoom).abs()
        shift = torch.stack([_uniform((count,), -1, 1, generator) * room for _ in range(2)], dim=1)  # (N, 2)
        cos, sin = torch.cos(angle), torch.sin(angle)
        matrix = torch.stack(
            [
                torch.stack([zoom * aspect * cos, zoom * (shear - sin)], dim=1),
                torch.stack([zoom * sin, zoom / aspect * cos], dim=1),
            ],
            dim=1,
        )  # (N, 2, 2)
        line = torch.linspace(-1, 1, self.size_px)
        down, across = torch.meshgrid(line, line, indexing="ij")
        plane = torch.stack([across, down], dim=-1).reshape(1, -1, 2)  # (1, S*S, 2)
        tilt = _uniform((count, 2, 1), -self.perspective, self.perspective, generator)
        depth = 1 + plane @ tilt  # (N, S*S, 1)
        points = (plane @ matrix.transpose(1, 2)) / depth + shift[:, None, :]
        return points.reshape(count, self.size_px, self.size_px, 2)

    def _colour(self, photos: Tensor, generator: torch.Generator) -> Tensor:
        shape = (len(photos), 1, 1, 1)
        brightness = torch.exp(_uniform(shape, -self.brightness, self.brightness, generator))
        contrast = torch.exp(_uniform(shape, -self.contrast, self.contrast, generator))
        saturation = torch.exp(_uniform(shape, -self.saturation, self.saturation, generator))
        warmth = _uniform(shape, -0.08, 0.08, generator)
        luma = torch.tensor(_LUMA).view(1, 3, 1, 1)
        grey = (photos * luma).sum(dim=1, keepdim=True)
        mean = grey.mean(dim=(2, 3), keepdim=True)
        coloured = grey + (photos - grey) * saturation
        balanced = coloured * torch.cat([1 + warmth, torch.ones_like(warmth), 1 - warmth], dim=1)
        return ((balanced - mean) * contrast + mean) * brightness

    def _erase(self, photos: Tensor, generator: torch.Generator) -> Tensor:
        """Cover a box of up to a third of each side with one colour (Zhong et al., AAAI 2020)."""
        count = len(photos)
        line = torch.linspace(0, 1, photos.shape[-1])
        extent = _uniform((count, 2), 0.08, 0.34, generator)
        start = torch.rand((count, 2), generator=generator) * (1 - extent)
        inside = [
            (line[None] >= start[:, axis, None]) & (line[None] <= (start + extent)[:, axis, None]) for axis in (0, 1)
        ]
        box = inside[0][:, None, :, None] & inside[1][:, None, None, :]
        chosen = torch.rand((count, 1, 1, 1), generator=generator) < self.erase_probability
        colour = _uniform((count, 3, 1, 1), 0, 255, generator)
        return torch.where(box & chosen, colour, photos)


def outliers(crops: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Copies of crops with the hue of a band, or of all, turned far away: cartons that are no product of ours.

    A network that must not recognise these learns to doubt cartons of other colours (outlier exposure: Hendrycks et
    al., ICLR 2019, here with the photos themselves as the source).

    Returns the copies, (N, 3, S, S) on 0..255 like `crops`, and a weight (N,) in 0..1: a grey crop (an empty location)
    looks the same in any hue, is still what it was, and weighs nothing.
    """
    turned = _turn_hue(crops, _uniform((len(crops),), math.radians(50), math.radians(310), generator))
    line = torch.linspace(0, 1, crops.shape[-1])[None, :]
    height = _uniform((len(crops), 1), 0.35, 0.7, generator)
    top = torch.rand((len(crops), 1), generator=generator) * (1 - height)
    band = (line >= top) & (line <= top + height)  # (N, S)
    whole = torch.rand((len(crops), 1), generator=generator) < 0.5  # noqa: PLR2004
    copies = torch.where((band | whole)[:, None, :, None], turned, crops)
    difference = (copies - crops).abs().mean(dim=(1, 2, 3))
    return copies, ((difference - SMALLEST_CHANGE) / SMALLEST_CHANGE).clamp(0, 1)


def cutmix(
    crops: Tensor, labels: Tensor, probability: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, float]:
    """With the given probability, paste one box of another photo into every crop (CutMix: Yun et al., ICCV 2019).

    Returns the crops (N, 3, S, S), the labels (N,) of the pasted boxes, and the share of each crop that is its own.
    """
    if float(torch.rand((), generator=generator)) >= probability:
        return crops, labels, 1.0
    size = crops.shape[-1]
    side = int(size * math.sqrt(float(torch.rand((), generator=generator)) * 0.5))
    top, left = (int(torch.randint(size - side + 1, (), generator=generator)) for _ in range(2))
    order = torch.randperm(len(crops), generator=generator)
    mixed = crops.clone()
    mixed[:, :, top : top + side, left : left + side] = crops[order, :, top : top + side, left : left + side]
    return mixed, labels[order], 1 - (side / size) ** 2


def _turn_hue(crops: Tensor, angle_rad: Tensor) -> Tensor:
    """Rotate the chroma of each crop in YIQ space; brightness stays."""
    to_yiq = torch.tensor([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
    turn = torch.zeros(len(crops), 3, 3)
    turn[:, 0, 0] = 1.0
    turn[:, 1, 1] = turn[:, 2, 2] = torch.cos(angle_rad)
    turn[:, 1, 2] = -torch.sin(angle_rad)
    turn[:, 2, 1] = torch.sin(angle_rad)
    matrix = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    return torch.einsum("nij,njhw->nihw", matrix, crops).clamp(0, 255)


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)
