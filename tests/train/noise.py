"""Random pictures for the tests of what is done to crops."""

import torch
from torch import Tensor


def seeded(seed: int = 0) -> torch.Generator:
    """A generator of its own."""
    return torch.Generator().manual_seed(seed)


def noise_photos(count: int = 6, side_px: int = 55) -> Tensor:
    """Photos of nothing but noise, (count, 3, side_px, side_px) on 0..255; always the same."""
    return torch.rand((count, 3, side_px, side_px), generator=seeded(9)) * 255
