"""Devices and processes of a run: one device, or all that torchrun starts it on."""

import os
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from kardus.support.errors import UsageError
from train.config import ComputePrecision, TrainConfig

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def rank() -> int:
    """This process's rank in the run, from 0; set by torchrun."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """The world size: how many processes the run has."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def wait_for_all() -> None:
    """Barrier: wait for every process of the run, so that what rank 0 wrote can be read."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def launch(config: TrainConfig, model: nn.Module) -> "Fabric":
    """Connect the processes of the run, and choose device and precision.

    Raises:
        UsageError: the batch leaves a process fewer than two photos, which batch normalisation needs.
    """
    if config.batch < 2 * world():
        raise UsageError(f"--batch {config.batch}: {world()} processes need two photos each: use {2 * world()} or more")
    from lightning_fabric import Fabric  # noqa: PLC0415 - seconds, which only training takes

    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator="auto",
        devices=here,
        num_nodes=world() // here,
        strategy="ddp" if world() > 1 else "auto",
        precision=choose_precision(config.precision, model),
    )
    fabric.launch()
    return fabric


def augmenting_device(computing: torch.device) -> torch.device:
    """The device to augment crops on: the run's CUDA device, else the CPU (Apple's GPUs lack a kernel)."""
    return computing if computing.type == "cuda" else torch.device("cpu")


def choose_precision(asked: ComputePrecision, model: nn.Module) -> Literal["32-true", "bf16-mixed"]:
    """Fabric's name of the precision; `auto` takes bfloat16 where it is faster.

    That is on a GPU that supports it, and on a CPU with bfloat16 instructions unless the network has grouped
    convolutions, which are slower in bfloat16 there. Weights and their moving average stay in 32 bits (Micikevicius et
    al., ICLR 2018).
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
