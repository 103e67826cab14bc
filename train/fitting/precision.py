"""The precision that a run computes in: where it is left open, what a few steps of its network show to be faster.

Depthwise networks are slower in bfloat16 on some processors that have instructions for it, and faster on others: no
list of networks and processors would be right for long. Weights and their moving average stay in 32 bits in either
(Micikevicius et al., ICLR 2018).
"""

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from train.config import TrainConfig
from train.devices import agreed, computing_device, has_bfloat16, process_rank
from train.fitting.freezing import freeze, keep_statistics
from train.networks.checkpoint import CHECKPOINT, read_content

TIMED_STEPS = 3
"""Timed steps of each precision, in turn, after one that isn't timed; the fastest counts."""
MIN_GAIN = 0.05
"""What bfloat16 has to save of a step's time, so that two starts of a run don't differ by chance."""


class StepTimes(NamedTuple):
    """Seconds of a training step, forwards and backwards."""

    float32: float
    bfloat16: float

    @property
    def faster(self) -> str:
        """The value of `--precision` that is faster: 32 or bf16."""
        return "bf16" if self.bfloat16 <= (1 - MIN_GAIN) * self.float32 else "32"

    def in_words(self) -> str:
        """Which is taken, and by how much it is faster."""
        chosen, other = (self.bfloat16, self.float32) if self.faster == "bf16" else (self.float32, self.bfloat16)
        names = ("bfloat16", "32 bits") if self.faster == "bf16" else ("32 bits", "bfloat16")
        return (
            f"computing in {names[0]}: {1000 * chosen:.0f} ms a step, {1000 * other:.0f} ms in {names[1]} "
            f"(--precision {self.faster} takes it unmeasured)"
        )


def settle(config: TrainConfig, network: nn.Module, out: Path, note: Callable[[str], None]) -> TrainConfig:
    """The configuration with a precision that is no longer `auto`.

    A run that is resumed keeps the one that it began with: it is in its last state, beside every other value.

    Args:
        config: the run's.
        network: the one that will be trained; it is left as it is.
        out: the run's folder.
        note: told what was measured.

    Raises:
        DataError: the stored state of the run is damaged.
    """
    if config.precision != "auto":
        return config
    known = _kept(out)
    if not known and not has_bfloat16():
        known = "32"
    if not known:
        times: StepTimes = agreed(step_times(network, config) if process_rank() == 0 else None)
        note(times.in_words())
        known = times.faster
    return config.model_copy(update={"precision": known})


def _kept(out: Path) -> str:
    """What an interrupted run has begun with; empty where there is none."""
    for name in ("last.ckpt", CHECKPOINT):
        if (out / name).exists():
            return str(read_content(out / name)["config"]["precision"])
    return ""


def step_times(network: nn.Module, config: TrainConfig) -> StepTimes:
    """Time steps of a copy of the network on random crops of the run's size and batch, on the run's device."""
    device = computing_device()
    trial = copy.deepcopy(network).to(device).to(memory_format=torch.channels_last).train()
    freeze(trial, config.frozen)
    keep_statistics(trial, config.frozen)
    crops = torch.full((config.batch, 3, config.size, config.size), 127.0, device=device)
    crops = crops.contiguous(memory_format=torch.channels_last)
    taken: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(1 + TIMED_STEPS):
        for in_bfloat16, seconds in taken.items():
            seconds.append(_step(trial, crops, in_bfloat16=in_bfloat16))
    return StepTimes(*(min(seconds[1:]) for seconds in (taken[False], taken[True])))


def _step(network: nn.Module, crops: torch.Tensor, *, in_bfloat16: bool) -> float:
    began = time.perf_counter()
    with torch.autocast(crops.device.type, torch.bfloat16, enabled=in_bfloat16):
        logits = network(crops)
    labels = torch.zeros(len(crops), dtype=torch.long, device=crops.device)
    functional.cross_entropy(logits.float(), labels).backward()  # type: ignore[no-untyped-call]  # torch's annotations lack it
    network.zero_grad()
    if crops.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began
