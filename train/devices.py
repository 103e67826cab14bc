"""Where a run computes: one device, or all that torchrun starts it on."""

import os
from typing import Literal

import torch
from lightning_fabric import Fabric
from torch import nn

from kardus.support.errors import UsageError
from train.config import ComputePrecision, TrainConfig


def rank() -> int:
    """This process's number among those of the run, from 0; torchrun sets it."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes the run has."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def wait_for_all() -> None:
    """Wait until every process of the run is here: what the first one wrote can be read now."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def launch(config: TrainConfig, model: nn.Module) -> Fabric:
    """Connect the processes of the run, and choose device and precision.

    Raises:
        UsageError: the batch leaves a process fewer than two photos, which batch normalisation needs.
    """
    if config.batch < 2 * world():
        raise UsageError(f"--batch {config.batch}: {world()} processes need two photos each: use {2 * world()} or more")
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
    """Where crops are changed: on the run's CUDA device, else on the processor (Apple's lack a kernel)."""
    return computing if computing.type == "cuda" else torch.device("cpu")


def choose_precision(asked: ComputePrecision, model: nn.Module) -> Literal["32-true", "bf16-mixed"]:
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
