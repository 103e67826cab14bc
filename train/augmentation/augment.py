"""Label-preserving augmentation of whole batches: only variation that a camera at a shelf may see.

No flips (print is never mirrored) and hardly any hue shift (an accent colour may tell products apart). Works on
tensors, on the random generator's device, so that a batch costs a few milliseconds and needs no worker processes.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

MAX_BLUR = 3.0
"""A blurred crop is reduced by up to this factor and enlarged again."""
GRAIN_ROOM_PX = 64
MIN_BESIDE, MAX_BESIDE = 1.3, 2.6
"""A crop that shows its carton several times is so many photos wide and high."""
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Augmenter:
    """Augments every crop of a batch at random. The defaults suit a few dozen photos per class."""

    size_px: int
    smallest_zoom: float = 0.65
    """The smallest fraction of the photo's width that a crop covers."""
    rotation_deg: float = 12.0
    shear: float = 0.12
    perspective: float = 0.06
    brightness: float = 0.35
    contrast: float = 0.3
    saturation: float = 0.25
    white_balance: float = 0.08
    """Red and blue are scaled in opposite directions by up to this fraction."""
    blur_probability: float = 0.0
    side_by_side: float = 0.0
    """Probability that a crop shows the photo several times, side by side and in rows."""
    erase_probability: float = 0.3
    noise: float = 6.0
    """Largest standard deviation of added noise, on the 0..255 scale."""

    def __call__(self, photos: Tensor, generator: torch.Generator) -> Tensor:
        """(N, 3, H, W) on 0..255 -> (N, 3, size_px, size_px) on 0..255; the generator is on the photos' device."""
        shown = functional.grid_sample(
            photos, self._grid(len(photos), generator), mode="bilinear", padding_mode="reflection", align_corners=False
        )
        crops = self._erase(self._colour(self._blur(shown, generator), generator), generator)
        return self._grain(crops, generator).clamp_(0, 255)

    def _grid(self, count: int, generator: torch.Generator) -> Tensor:
        """Sampling grids (N, S, S, 2): zoom, translation, rotation, shear, perspective, as one homography each."""
        zoom = uniform((count,), self.smallest_zoom, 1.05, generator)
        aspect = torch.exp(uniform((count,), -0.12, 0.12, generator))
        angle = uniform((count,), -math.radians(self.rotation_deg), math.radians(self.rotation_deg), generator)
        shear = uniform((count,), -self.shear, self.shear, generator)
        room = (1 - zoom).abs()
        across, down = (uniform((count,), -1, 1, generator) * room for _ in range(2))
        tilt = uniform((count, 2), -self.perspective, self.perspective, generator)
        cos, sin = torch.cos(angle), torch.sin(angle)
        below = torch.cat([tilt, torch.ones_like(tilt[:, :1])], dim=1)  # (N, 3)
        rows = [
            torch.stack([zoom * aspect * cos, zoom * (shear - sin), torch.zeros_like(zoom)], dim=1)
            + across[:, None] * below,
            torch.stack([zoom * sin, zoom / aspect * cos, torch.zeros_like(zoom)], dim=1) + down[:, None] * below,
            below,
        ]
        line = torch.linspace(-1, 1, self.size_px, device=generator.device)
        y, x = torch.meshgrid(line, line, indexing="ij")
        plane = torch.stack([x, y, torch.ones_like(x)], dim=-1).reshape(-1, 3)  # (S*S, 3)
        points = plane @ torch.stack(rows, dim=1).transpose(1, 2)  # (N, S*S, 3)
        grid = (points[..., :2] / points[..., 2:]).reshape(count, self.size_px, self.size_px, 2)
        return self._repeated(grid, generator) if self.side_by_side else grid

    def _repeated(self, grid: Tensor, generator: torch.Generator) -> Tensor:
        """Let some of the grids (N, S, S, 2) pass the photo's edges and begin again at the other side."""
        count = len(grid)
        chosen = uniform((count, 1, 1, 1), 0, 1, generator) < self.side_by_side
        extent = uniform((count, 1, 1, 1), MIN_BESIDE, MAX_BESIDE, generator)
        shift = uniform((count, 1, 1, 2), -1, 1, generator)
        return torch.where(chosen, torch.remainder(grid * extent + shift + 1, 2) - 1, grid)

    def _blur(self, photos: Tensor, generator: torch.Generator) -> Tensor:
        """Blur some of the crops, in place, by one factor: as by a camera that is far, moves or is out of focus."""
        if not self.blur_probability:
            return photos
        chosen = uniform((len(photos),), 0, 1, generator) < self.blur_probability
        factor = float(uniform((), 1.5, MAX_BLUR, generator))
        if chosen.any():
            side = photos.shape[-1]
            reduced = functional.interpolate(photos[chosen], size=max(1, round(side / factor)), mode="area")
            photos[chosen] = functional.interpolate(reduced, size=side, mode="bilinear", align_corners=False)
        return photos

    def _colour(self, photos: Tensor, generator: torch.Generator) -> Tensor:
        """Saturation, white balance, contrast and brightness: all linear, so that one matrix per crop applies them."""
        count = len(photos)
        brightness = torch.exp(uniform((count, 1, 1), -self.brightness, self.brightness, generator))
        contrast = torch.exp(uniform((count, 1, 1), -self.contrast, self.contrast, generator))
        saturation = torch.exp(uniform((count, 1, 1), -self.saturation, self.saturation, generator))
        warmth = uniform((count, 1, 1), -self.white_balance, self.white_balance, generator)
        luma = torch.tensor(_LUMA, device=photos.device)
        # the mean is estimated from a sixteenth of the pixels
        mean = (photos[:, :, ::4, ::4].mean(dim=(2, 3)) * luma).sum(dim=1).view(count, 1, 1)
        matrix = saturation * torch.eye(3, device=photos.device) + (1 - saturation) * luma  # (N, 3, 3)
        balance = torch.cat([1 + warmth, torch.ones_like(warmth), 1 - warmth], dim=1)  # (N, 3, 1)
        mixed = torch.baddbmm(
            (1 - contrast) * brightness * mean, contrast * brightness * balance * matrix, photos.flatten(2)
        )
        return mixed.view(photos.shape)

    def _erase(self, photos: Tensor, generator: torch.Generator) -> Tensor:
        """Random erasing (Zhong et al., AAAI 2020), in place: a box of up to a third of each side gets one colour."""
        count, side = len(photos), photos.shape[-1]
        extent = uniform((count, 2), 0.08, 0.34, generator)
        start = uniform((count, 2), 0, 1, generator) * (1 - extent)
        chosen = uniform((count,), 0, 1, generator) < self.erase_probability
        colour = uniform((count, 3, 1, 1), 0, 255, generator)
        corners = torch.cat([start, start + extent], dim=1).mul_(side).round().long()
        boxes = corners.tolist()  # in one transfer: each makes a GPU wait
        for index in chosen.nonzero().flatten().tolist():
            top, left, bottom, right = boxes[index]
            photos[index, :, top:bottom, left:right] = colour[index]
        return photos

    def _grain(self, photos: Tensor, generator: torch.Generator) -> Tensor:
        """Add Gaussian noise in place: to each crop, a window of one random field."""
        side = photos.shape[-1]
        shape = (3, side + GRAIN_ROOM_PX, side + GRAIN_ROOM_PX)
        field = torch.randn(shape, generator=generator, device=generator.device)
        top, left = torch.randint(GRAIN_ROOM_PX + 1, (2, len(photos)), generator=generator, device=generator.device)
        windows = field.unfold(1, side, 1).unfold(2, side, 1)[:, top, left]  # (3, N, S, S)
        spread = uniform((len(photos), 1, 1, 1), 0.0, self.noise, generator)
        return photos.addcmul_(windows.transpose(0, 1), spread)


def cutmix(
    crops: Tensor, labels: Tensor, probability: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, float]:
    """With the given probability, paste one box of another photo into every crop (CutMix: Yun et al., ICCV 2019).

    Returns the crops (N, 3, S, S), the labels (N,) of the pasted boxes, and the proportion of a crop that is its own.
    """
    if float(uniform((), 0, 1, generator)) >= probability:
        return crops, labels, 1.0
    size = crops.shape[-1]
    side = int(size * math.sqrt(float(uniform((), 0, 1, generator)) * 0.5))
    top, left = (
        int(torch.randint(size - side + 1, (), generator=generator, device=generator.device)) for _ in range(2)
    )
    order = torch.randperm(len(crops), generator=generator, device=generator.device)
    mixed = crops.clone()
    mixed[:, :, top : top + side, left : left + side] = crops[order, :, top : top + side, left : left + side]
    return mixed, labels[order.to(labels.device)], 1 - (side / size) ** 2


def uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Uniformly distributed random numbers in low..high, on the generator's device."""
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)
