"""The training loop: all of it can be read here."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edge_agent.errors import KardusError
from edge_agent.preprocess import Pixels
from train.augment import Augmenter
from train.config import Precision, TrainConfig
from train.losses import Objective

EMA_SHARE = 0.1
"""The averaged weights look back over this share of all steps."""
WARM_UP_SHARE = 0.1
CACHE_MARGIN = 1.15
"""Photos are cached this much larger than the network's input, so that a zoomed-in crop stays sharp."""


@dataclass(frozen=True)
class Photos:
    """Photos in memory: pixels (n, S, S, 3) uint8 and class indices (n,)."""

    pixels: Pixels
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Accuracies are shares; validation is not used to choose anything."""

    epoch: int
    train_loss: float
    train_accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


def train(
    model: nn.Module,
    train_photos: Photos,
    val_photos: Photos,
    config: TrainConfig,
    on_epoch: Callable[[Epoch], None],
    *,
    category_of: NDArray[np.int64] | None = None,
) -> nn.Module:
    """Train the model and return its averaged (EMA) copy.

    AdamW with warm-up and cosine, label smoothing, exponential moving average of the weights. `val_photos` are at the
    network's input size, `train_photos` CACHE_MARGIN larger; `category_of` (classes,) gives each class's category.

    Raises:
        KardusError: the loss is no longer a number.
    """
    fabric = Fabric(accelerator="auto", devices=1, precision=choose_precision(config.precision, model))
    fabric.launch()
    generator = torch.Generator().manual_seed(config.seed)
    augment = Augmenter(config.size)
    objective = Objective(config, None if category_of is None else torch.from_numpy(category_of))
    steps = config.epochs * max(1, len(train_photos.labels) // config.batch)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(_decay_groups(model, config.weight_decay), lr=config.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: rate(done, steps))
    averaged = fabric.to_device(copy.deepcopy(model)).eval()
    network, fabric_optimizer = fabric.setup(model, optimizer)
    if hasattr(model, "with_categories"):
        network.mark_forward_method("with_categories")
    step = 0
    for epoch in range(1, config.epochs + 1):
        began = time.monotonic()
        network.train()
        losses, hits, seen = 0.0, 0, 0
        for photos, labels in batches(train_photos, config.batch, generator):
            loss, logits = objective(network, augment(photos, generator), labels, generator)
            if not torch.isfinite(loss):
                raise KardusError(f"the loss became {loss.item()} in epoch {epoch}: lower --lr ({config.lr})")
            fabric_optimizer.zero_grad()
            fabric.backward(loss)
            fabric.clip_gradients(network, fabric_optimizer, max_norm=5.0)
            fabric_optimizer.step()
            schedule.step()
            step += 1
            _average(averaged, model, 1 - 1 / max(1.0, min(step / 2, EMA_SHARE * steps)))
            losses += loss.item() * len(labels)
            hits += int((logits.argmax(dim=1).cpu() == labels).sum())
            seen += len(labels)
        val_loss, val_accuracy = validate(averaged, val_photos)
        on_epoch(Epoch(epoch, losses / seen, hits / seen, val_loss, val_accuracy, time.monotonic() - began))
    return averaged


def choose_precision(asked: Precision, model: nn.Module) -> Literal["32-true", "bf16-mixed"]:
    """Fabric's name of the precision; `auto` takes bfloat16 where it is faster.

    That is on a GPU that has it, and on a CPU whose instructions have it, but there for dense convolutions only:
    grouped ones are slower in bfloat16. Weights and their average stay in 32 bits (Micikevicius et al., ICLR 2018).
    """
    if asked == "auto":
        on_gpu = torch.cuda.is_available()
        fast = torch.cuda.is_bf16_supported() if on_gpu else _cpu_has_bf16() and not _has_grouped_convolutions(model)
        return "bf16-mixed" if fast else "32-true"
    return "bf16-mixed" if asked == "bf16" else "32-true"


def _has_grouped_convolutions(model: nn.Module) -> bool:
    return any(isinstance(module, nn.Conv2d) and module.groups > 1 for module in model.modules())


def _cpu_has_bf16() -> bool:
    flags: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch that is supported
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16") or flags.get("arm_bf16"))


def rate(done: int, steps: int) -> float:
    """The learning rate's share of its highest value, in 0..1, after `done` of `steps` steps.

    Linear warm-up over WARM_UP_SHARE of the steps, then half a cosine down to 0 (Loshchilov and Hutter, ICLR 2017).
    """
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    if done < warm_up:
        return (done + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (done - warm_up + 1) / (steps - warm_up + 1)))


def batches(photos: Photos, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled batches as float (N, 3, H, W) on 0..255 with their labels; the last, smaller one is left out."""
    order = torch.randperm(len(photos.labels), generator=generator).numpy()
    size = min(size, len(order))
    for start in range(0, len(order) - size + 1, size):
        chosen = order[start : start + size]
        yield to_tensor(photos.pixels[chosen]), torch.from_numpy(photos.labels[chosen])


def to_tensor(pixels: Pixels) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float on 0..255, channels last in memory."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float()


@torch.no_grad()
def validate(model: nn.Module, photos: Photos) -> tuple[float, float]:
    """Mean cross-entropy and accuracy (0..1); nan for no photos."""
    if not len(photos.labels):
        return float("nan"), float("nan")
    logits = predict(model, photos.pixels)
    labels = torch.from_numpy(photos.labels)
    return functional.cross_entropy(logits, labels).item(), (logits.argmax(dim=1) == labels).float().mean().item()


@torch.no_grad()
def predict(model: nn.Module, pixels: Pixels, batch: int = 64) -> Tensor:
    """Logits (N, classes) of crops (N, S, S, 3) uint8, on the CPU."""
    model.eval()
    device = next(model.parameters()).device
    parts = [to_tensor(pixels[start : start + batch]).to(device) for start in range(0, len(pixels), batch)]
    return torch.cat([model(part) for part in parts]).cpu()


def _decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay on matrices and kernels only, not on biases and normalisation."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]


@torch.no_grad()
def _average(averaged: nn.Module, model: nn.Module, decay: float) -> None:
    for kept, current in zip(averaged.parameters(), model.parameters(), strict=True):
        kept.lerp_(current.detach(), 1 - decay)
    for kept_buffer, buffer in zip(averaged.buffers(), model.buffers(), strict=True):
        kept_buffer.copy_(buffer)
