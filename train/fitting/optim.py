"""Optimiser, learning-rate schedule, and exponential moving average of the weights."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from train.config import TrainConfig

WARM_UP_SHARE = 0.1


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter, ICLR 2019) or, as in the founding study, Adam without weight decay."""
    groups = [
        {**group, "lr": config.lr * share, "share": share}
        for part, share in _parameter_groups(model, config.backbone_lr)
        for group in decay_groups(part, 0.0 if config.optimizer == "adam" else config.weight_decay)
    ]
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=config.lr)


def _parameter_groups(model: nn.Module, backbone_share: float) -> list[tuple[list[nn.Parameter], float]]:
    """The parameters of the backbone and the others, and the fraction of the peak learning rate that they have."""
    backbone = getattr(model, "features", None) if backbone_share < 1 else None
    if not isinstance(backbone, nn.Module):
        return [(list(model.parameters()), 1.0)]
    own = {id(parameter) for parameter in backbone.parameters()}
    others = [parameter for parameter in model.parameters() if id(parameter) not in own]
    return [(list(backbone.parameters()), backbone_share), (others, 1.0)]


def decay_groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices and kernels only, not on biases and normalisation; nothing of what is frozen."""
    given = [parameter for parameter in parameters if parameter.requires_grad]
    decayed = [p for p in given if p.ndim > 1]
    plain = [p for p in given if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


def set_rate(optimizer: torch.optim.Optimizer, config: TrainConfig, done: int, steps: int) -> None:
    """Set the optimizer's learning rate after `done` of `steps` steps; each group has its share of it."""
    proportion = 1.0 if config.schedule == "constant" else rate(done, steps)
    for group in optimizer.param_groups:
        group["lr"] = config.lr * group["share"] * proportion


def rate(done: int, steps: int) -> float:
    """The learning rate as a fraction of its peak, in 0..1, after `done` of `steps` steps.

    Linear warm-up over WARM_UP_SHARE of the steps, then half a cosine down to 0 (Loshchilov and Hutter, ICLR 2017).
    """
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    if done < warm_up:
        return (done + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (done - warm_up + 1) / (steps - warm_up + 1)))


def average_decay(step: int, steps: int, proportion: float) -> float:
    """The EMA's decay at a step, counted from 1, so that it spans `proportion` of all steps; 0 for no average."""
    return 1 - 1 / max(1.0, min(step / 2, proportion * steps))


@torch.no_grad()
def average(averaged: nn.Module, model: nn.Module, decay: float) -> None:
    """Update the exponential moving average of the weights; buffers are copied."""
    move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # in a few kernels for all weights together
    move(list(averaged.parameters()), list(model.parameters()), 0)
    for kept_buffer, buffer in zip(averaged.buffers(), model.buffers(), strict=True):
        kept_buffer.copy_(buffer)
