"""Devices and processes of a run: one device, or all that torchrun starts it on."""

import os
from typing import TYPE_CHECKING, Any, Literal

import torch

from kardus.support.errors import UsageError
from train.config import TrainConfig

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def process_rank() -> int:
    """This process's rank in the run, from 0; set by torchrun."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """The world size: how many processes the run has."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def wait_for_all() -> None:
    """Barrier: wait for every process of the run, so that what rank 0 wrote can be read."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def launch(config: TrainConfig) -> "Fabric":
    """Connect the processes of the run, on the best device there is.

    Raises:
        UsageError: the batch leaves a process fewer than two photos, which batch normalisation needs.
    """
    if config.batch < 2 * world():
        raise UsageError(f"--batch {config.batch}: {world()} processes need two photos each: use {2 * world()} or more")
    return _fabric("bf16-mixed" if config.precision == "bf16" else "32-true")


def agreed(value: Any) -> Any:
    """What the first process of the run gives, in every process."""
    return _fabric("32-true").broadcast(value) if world() > 1 else value


def _fabric(precision: Literal["32-true", "bf16-mixed"]) -> "Fabric":
    from lightning_fabric import Fabric  # noqa: PLC0415 - seconds, which only training takes

    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator="auto",
        devices=here,
        num_nodes=world() // here,
        strategy="ddp" if world() > 1 else "auto",
        precision=precision,
    )
    fabric.launch()
    return fabric


def computing_device() -> torch.device:
    """The device that this process computes on, as Fabric chooses it."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def augmenting_device(computing: torch.device) -> torch.device:
    """The device to augment crops on: the run's CUDA device, else the CPU (Apple's GPUs lack a kernel)."""
    return computing if computing.type == "cuda" else torch.device("cpu")


def has_bfloat16() -> bool:
    """Whether the device has instructions for bfloat16; where it has none, it is many times slower."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # not in every torch that is supported
    return bool(flags.get("avx512_bf16") or flags.get("amx_bf16") or flags.get("arm_bf16"))
