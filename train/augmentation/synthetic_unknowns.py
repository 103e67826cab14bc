"""Synthetic unknowns: out-of-distribution images, generated from the training photos.

Outlier exposure (Hendrycks et al., ICLR 2019) without a data set of outliers: trained towards a uniform prediction on
these, a network is less confident on cartons of other colours, and on things that are no cartons.
"""

import math

import torch
from torch import Tensor

from train.augmentation.augment import uniform

MIN_CHANGE = 8.0
"""Mean absolute difference of pixels (0..255) up to which a copy in another hue counts as unchanged."""
THINGS = 40
"""How many ellipses an image has; later ones cover earlier ones."""
_YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))


def false_colours(crops: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Copies of crops with a large hue shift, in a horizontal band or overall: cartons of no known product.

    Returns the copies, (N, 3, S, S) on 0..255 like `crops`, and their loss weights (N,) in 0..1: a grey crop (an empty
    location) looks the same in any hue and keeps its class, so its weight is 0.
    """
    turned = _turn_hue(crops, uniform((len(crops),), math.radians(50), math.radians(310), generator))
    line = torch.linspace(0, 1, crops.shape[-1], device=crops.device)[None, :]
    height = uniform((len(crops), 1), 0.35, 0.7, generator)
    top = uniform((len(crops), 1), 0, 1, generator) * (1 - height)
    band = (line >= top) & (line <= top + height)  # (N, S)
    whole = uniform((len(crops), 1), 0, 1, generator) < 0.5  # noqa: PLR2004
    copies = torch.where((band | whole)[:, None, :, None], turned, crops)
    difference = (copies - crops).abs().mean(dim=(1, 2, 3))
    return copies, ((difference - MIN_CHANGE) / MIN_CHANGE).clamp(0, 1)


def dead_leaves(crops: Tensor, generator: torch.Generator) -> Tensor:
    """Heaps of ellipses in the colours and textures of the crops, (N, 3, S, S) on 0..255 like `crops`.

    A dead-leaves model (Lee, Mumford, Huang, IJCV 2001): an image's ellipses are of similar size, cover each other and
    are shaded towards their rims. In half of the images they are of similar colour, in the others of many.
    """
    count, _, side, _ = crops.shape
    line = torch.linspace(-1, 1, side, device=crops.device)
    down, across = torch.meshgrid(line, line, indexing="ij")
    size = torch.exp(uniform((count,), math.log(0.12), math.log(0.6), generator))
    kind = uniform((count, 3, 1, 1), 0, 255, generator)
    alike = uniform((count, 1, 1, 1), 0, 1, generator) < 0.5  # noqa: PLR2004 - half of them
    heap = crops.clone()
    for _ in range(THINGS):
        reach = _reach(across, down, size, generator)  # (N, 1, S, S), 0 in the middle, 1 at the rim
        row, column = torch.randint(side, (2, count), generator=generator, device=crops.device)
        found = crops[torch.arange(count, device=crops.device), :, row, column][:, :, None, None]
        colour = torch.where(alike, kind + uniform((count, 3, 1, 1), -25, 25, generator), found)
        proportion = uniform((count, 1, 1, 1), 0, 0.6, generator)
        texture = heap[torch.randperm(count, generator=generator, device=crops.device)]
        shade = 1.1 - uniform((count, 1, 1, 1), 0, 0.7, generator) * reach
        heap = torch.where(reach < 1, (colour * (1 - proportion) + texture * proportion) * shade, heap)
    return heap.clamp_(0, 255)


def _reach(across: Tensor, down: Tensor, size: Tensor, generator: torch.Generator) -> Tensor:
    """Squared distance of each pixel from the centre of one random ellipse per image: (N, 1, S, S), 1 at the rim."""
    count = (len(size),)
    x, y = (uniform(count, -1.1, 1.1, generator) for _ in range(2))
    radius = size * torch.exp(uniform(count, -0.4, 0.4, generator))
    length = radius * torch.exp(uniform(count, 0, 0.9, generator) * uniform(count, 0, 1, generator))
    angle = uniform(count, 0, math.pi, generator)
    cos, sin = torch.cos(angle), torch.sin(angle)
    along = torch.stack([cos / length, sin / length, -(cos * x + sin * y) / length], dim=1)
    beside = torch.stack([-sin / radius, cos / radius, (sin * x - cos * y) / radius], dim=1)
    plane = torch.stack([across, down, torch.ones_like(down)]).flatten(1)  # (3, S*S)
    reach: Tensor = (along @ plane).square_() + (beside @ plane).square_()
    return reach.view(-1, 1, *across.shape)


def _turn_hue(crops: Tensor, angle_rad: Tensor) -> Tensor:
    """Rotate the chroma of each crop in YIQ space; brightness stays."""
    to_yiq = torch.tensor(_YIQ, device=crops.device)
    turn = torch.zeros(len(crops), 3, 3, device=crops.device)
    turn[:, 0, 0] = 1.0
    turn[:, 1, 1] = turn[:, 2, 2] = torch.cos(angle_rad)
    turn[:, 1, 2] = -torch.sin(angle_rad)
    turn[:, 2, 1] = torch.sin(angle_rad)
    matrix = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    turned: Tensor = matrix @ crops.flatten(2)
    return turned.view(crops.shape).clamp_(0, 255)
