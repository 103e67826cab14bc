"""The founding study's augmentation: fixed copies of each photo.

What torchvision's ColorJitter(brightness=0.5), RandomRotation(25), RandomHorizontalFlip and RandomVerticalFlip with
probability 0.5 do, in that order, as the study names them (Jurnal JTIK 8(4), 2024), for a whole batch at once. The
flips mirror print, which no camera sees: use this to reproduce the study only.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

BRIGHTNESS = 0.5
ROTATION_DEG = 25.0
FLIP_PROBABILITY = 0.5


def founding_copies(photos: Tensor, indices: Tensor, copies: Tensor, seed: int) -> Tensor:
    """One copy of each photo, always the same for the same seed and indices.

    Args:
        photos: (N, 3, S, S) uint8.
        indices: (N,): each photo's index in its data set.
        copies: (N,): the index of its copy.
        seed: of the run.

    Returns:
        (N, 3, S, S) uint8.
    """
    drawn = [_draw(seed, index, copy) for index, copy in zip(indices.tolist(), copies.tolist(), strict=True)]
    brightness, angle_deg, across, down = torch.tensor(
        drawn, device=photos.device
    ).T  # (N,) each; the last two are 1 or -1
    angle = torch.deg2rad(angle_deg)
    cos, sin, nothing = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    # the source position of each pixel of the copy: flipped back, then rotated back
    rows = (
        torch.stack([cos * across, -sin * down, nothing], dim=1),
        torch.stack([sin * across, cos * down, nothing], dim=1),
    )
    grid = functional.affine_grid(torch.stack(rows, dim=1), list(photos.shape), align_corners=False)
    bright = (photos * brightness.view(-1, 1, 1, 1)).clamp(0, 255)
    return functional.grid_sample(bright, grid, mode="nearest", align_corners=False).to(torch.uint8)


def _draw(seed: int, index: int, copy: int) -> tuple[float, float, float, float]:
    """Brightness, degrees, and the signs of a horizontal and of a vertical flip, of one copy of one photo."""
    rng = np.random.default_rng((seed, index, copy))
    brightness, angle = rng.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS), rng.uniform(-ROTATION_DEG, ROTATION_DEG)
    across, down = (-1.0 if rng.random() < FLIP_PROBABILITY else 1.0 for _ in range(2))
    return float(brightness), float(angle), across, down
