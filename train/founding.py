"""The founding study's augmentation: constant copies of each photo.

torchvision's ColorJitter(brightness=0.5), RandomRotation(25), RandomHorizontalFlip and RandomVerticalFlip with
probability 0.5, in that order, as the study names them (Jurnal JTIK 8(4), 2024). Both flips show what no shelf shows:
this is here to repeat the study, not to be used.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

BRIGHTNESS = 0.5
ROTATION_DEG = 25.0
FLIP_PROBABILITY = 0.5


def founding_copy(photo: Tensor, seed: int, index: int, copy: int) -> Tensor:
    """One copy of one photo, always the same for the same seed, photo and copy numbers.

    Args:
        photo: (3, H, W) uint8.
        seed: of the run.
        index: the photo's number in its data set, from 0.
        copy: the copy's number, from 0.

    Returns:
        (3, H, W) uint8.
    """
    rng = np.random.default_rng((seed, index, copy))
    changed: Tensor = functional.adjust_brightness(photo, float(rng.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS)))
    changed = functional.rotate(changed, float(rng.uniform(-ROTATION_DEG, ROTATION_DEG)))
    if rng.random() < FLIP_PROBABILITY:
        changed = functional.horizontal_flip(changed)
    if rng.random() < FLIP_PROBABILITY:
        changed = functional.vertical_flip(changed)
    return changed


def founding_copies(photos: Tensor, indices: Tensor, copies: Tensor, seed: int) -> Tensor:
    """Copies of several photos: (N, 3, H, W) uint8 with their numbers (N,) and (N,) -> the same shape."""
    rows = zip(photos, indices.tolist(), copies.tolist(), strict=True)
    return torch.stack([founding_copy(photo, seed, index, copy) for photo, index, copy in rows])
