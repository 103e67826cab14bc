"""Augmented views of the training photos: augmented anew in every epoch, or fixed copies.

They are computed on the random generator's device: on a GPU, where the run has one.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kardus.inference.preprocess import Pixels
from train.augmentation.augment import Augmenter
from train.augmentation.founding import founding_copies
from train.augmentation.synthetic_unknowns import dead_leaves
from train.config import TrainConfig

CPU = torch.device("cpu")
GROWTH_SHARE = 2 / 3
"""The crops have grown to their full size after this fraction of the epochs."""
GROWTH_STEP_PX = 32
HEAPS, HEAPS_AT_ONCE = 256, 32
CACHE_MARGIN = 1.15
"""Photos are cached at this multiple of the network's input size, so that a zoomed-in crop stays sharp."""


@dataclass(frozen=True)
class Photos:
    """Photos in memory: pixels (n, S, S, 3) uint8 and class indices (n,)."""

    pixels: Pixels
    labels: NDArray[np.int64]


class Views(Protocol):
    """Training images, computed on demand."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class index of each image of an epoch, (m,)."""

    def crops(self, chosen: NDArray[np.int64], epoch: int, generator: torch.Generator) -> Tensor:
        """The chosen images as float (N, 3, S, S) on 0..255."""

    def clutter(self, count: int, epoch: int, generator: torch.Generator) -> Tensor:
        """Synthetic unknowns (see train.augmentation.synthetic_unknowns), as float (count, 3, S, S) on 0..255."""


@dataclass
class FreshViews:
    """Every photo once per epoch, augmented anew (see train.augmentation.augment)."""

    photos: Photos
    """At CACHE_MARGIN times the network's input size."""
    config: TrainConfig
    _heaps: Pixels | None = field(default=None, init=False, repr=False)

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class index of each photo, (n,)."""
        return self.photos.labels

    def crops(self, chosen: NDArray[np.int64], epoch: int, generator: torch.Generator) -> Tensor:
        """The chosen photos as float (N, 3, S, S) on 0..255; S grows with the epochs: see `size_of`."""
        return self._augmenter(epoch)(to_tensor(self.photos.pixels[chosen], generator.device), generator)

    def clutter(self, count: int, epoch: int, generator: torch.Generator) -> Tensor:
        """Synthetic unknowns: generated once per run, augmented anew each time."""
        if not count:
            side = size_of(epoch, self.config)
            return torch.zeros(0, 3, side, side, device=generator.device)
        if self._heaps is None:
            self._heaps = self._drawn_heaps(generator.device)
        chosen = torch.randint(HEAPS, (count,), generator=generator, device=generator.device).cpu().numpy()
        return self._augmenter(epoch)(to_tensor(self._heaps[chosen], generator.device), generator)

    def _drawn_heaps(self, device: torch.device) -> Pixels:
        generator = torch.Generator(device).manual_seed(self.config.seed)
        drawn = np.empty((HEAPS, *self.photos.pixels.shape[1:]), np.uint8)
        for start in range(0, HEAPS, HEAPS_AT_ONCE):
            chosen = torch.randint(len(self.labels), (HEAPS_AT_ONCE,), generator=generator, device=device).cpu().numpy()
            made = dead_leaves(to_tensor(self.photos.pixels[chosen], device), generator)
            drawn[start : start + HEAPS_AT_ONCE] = made.permute(0, 2, 3, 1).cpu().numpy()
        return drawn

    def _augmenter(self, epoch: int) -> Augmenter:
        return Augmenter(
            size_of(epoch, self.config),
            smallest_zoom=self.config.smallest_zoom,
            rotation_deg=self.config.rotation,
            perspective=self.config.perspective,
            brightness=self.config.exposure,
            white_balance=self.config.white_balance,
            blur_probability=self.config.blur,
            side_by_side=self.config.side_by_side,
        )


@dataclass(frozen=True)
class CopiedViews:
    """Fixed augmented copies of photos, as in the founding study; recomputed each time they are used."""

    photos: Photos
    """At the network's input size."""
    items: NDArray[np.int64]
    """(m, 2): the indices of a photo and of its copy."""
    seed: int
    labels: NDArray[np.int64] = field(init=False)
    """The class index of each copy, (m,)."""

    def __post_init__(self) -> None:
        """Give each copy the label of its photo."""
        object.__setattr__(self, "labels", self.photos.labels[self.items[:, 0]])

    def crops(self, chosen: NDArray[np.int64], epoch: int, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """The chosen copies as float (N, 3, S, S) on 0..255: the same in every epoch."""
        return self._made(chosen, generator.device).float()

    def clutter(self, count: int, epoch: int, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """None: the founding study had no synthetic unknowns."""
        return torch.zeros(0, 3, *self.photos.pixels.shape[1:3], device=generator.device)

    def in_memory(self) -> Photos:
        """All the copies at once, for validation."""
        pixels = self._made(np.arange(len(self.items)), CPU).permute(0, 2, 3, 1).contiguous().numpy()
        return Photos(pixels, self.labels)

    def _made(self, chosen: NDArray[np.int64], device: torch.device) -> Tensor:
        indices, copies = torch.from_numpy(self.items[chosen]).T
        photos = torch.from_numpy(self.photos.pixels[indices.numpy()]).to(device).permute(0, 3, 1, 2)
        return founding_copies(photos, indices, copies, self.seed)


def size_of(epoch: int, config: TrainConfig) -> int:
    """The crop size in an epoch, counted from 1: it grows from `first_size` in steps of GROWTH_STEP_PX, from one on."""
    if not config.first_size or config.first_size >= config.size:
        return config.size
    grown = min(1.0, (epoch - 1) / (GROWTH_SHARE * config.epochs))
    size = config.first_size + grown * (config.size - config.first_size)
    steps = max(1, round(size / GROWTH_STEP_PX))
    return min(config.size, steps * GROWTH_STEP_PX) if grown < 1 else config.size


def to_tensor(pixels: Pixels, device: torch.device = CPU) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float on 0..255, channels last in memory, on the device."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float()
