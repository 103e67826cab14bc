"""Initial weights of a network: random, ImageNet's, from a file, or from an earlier run."""

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor
from torchvision import models

from kardus.support.errors import DataError, UsageError
from train.networks.backbones import TIMM, load_timm
from train.networks.carton import IMAGENET_STATISTICS, CartonNet, InputStatistics
from train.networks.checkpoint import CHECKPOINT
from train.networks.packaged_weights import PACKAGED, read_packaged
from train.networks.packaged_weights import STATISTICS as PACKAGED_STATISTICS

IMAGENET = "imagenet"
_WRAPPERS = ("state_dict", "model", "weights")
_PARALLEL = "module."


@dataclass(frozen=True)
class WeightsOrigin:
    """The initial weights of a network."""

    source: str
    sha256: str
    """Of the file's bytes, or of the tensors where there is no file."""
    tensors: int


def initialise(network: CartonNet, arch: str, init: str) -> WeightsOrigin:
    """Load weights into everything but the head, whose classes differ.

    Args:
        network: the one to initialise.
        arch: its architecture's name.
        init: "imagenet", a file (`.pth`, `.pt`, `.safetensors`), or a Kardus run or checkpoint.

    Raises:
        UsageError: there is no such file, or ImageNet's weights can't be had.
        DataError: the file is damaged, holds more than tensors, or the weights of another network.
    """
    if init == IMAGENET:
        state, statistics = _imagenet(arch)
        loaded = _load(network, state, f"--init {init}", arch)
        network.use_statistics(statistics)
        return WeightsOrigin(IMAGENET, _digest(state), loaded)
    path = Path(init)
    file = path / CHECKPOINT if path.is_dir() else path
    if not file.is_file():
        raise UsageError(f"--init {init}: no such file: name a file of weights, a run's folder, or {IMAGENET}")
    data = file.read_bytes()
    state = _read(file, data)
    loaded = _load(network, state, str(file), arch)
    network.use_statistics(_statistics_of(state, arch))
    return WeightsOrigin(str(file), hashlib.sha256(data).hexdigest(), loaded)


def _imagenet(arch: str) -> tuple[Mapping[str, Tensor], InputStatistics]:
    """The weights that were published, and what their input is normalised by.

    From a package of the index where there is one; else torchvision's or timm's, downloaded once, then kept in a cache.
    """
    if arch in PACKAGED:
        return read_packaged(arch, load_timm().create_model(arch.removeprefix(TIMM))), PACKAGED_STATISTICS
    if arch.startswith(TIMM):
        return _imagenet_of_timm(arch), _statistics_of_timm(arch)
    weights = models.get_model_weights(arch).DEFAULT
    name = weights.url.rsplit("/", 1)[-1]
    try:
        state: Mapping[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # no network; a download that was cut off
        raise UsageError(
            f"--init {IMAGENET}: {name} can't be downloaded ({_first_line(error)}): "
            f"get it where there is a network, and name your copy with --init {name}"
        ) from error
    return state, IMAGENET_STATISTICS


def _statistics_of(state: Mapping[str, Tensor], arch: str) -> InputStatistics:
    """Those of a run are kept with its weights, or were ImageNet's before that; other files don't tell."""
    if {"mean", "std"} <= set(state):
        return InputStatistics(*(tuple(state[name].flatten().tolist()) for name in ("mean", "std")))
    is_run = any(name.startswith("features.network.") for name in state)  # as no file of timm's names its weights
    return _statistics_of_timm(arch) if arch.startswith(TIMM) and not is_run else IMAGENET_STATISTICS


def _statistics_of_timm(arch: str) -> InputStatistics:
    """What timm says of its own weights of this network."""
    published = load_timm().get_pretrained_cfg(arch.removeprefix(TIMM))
    if published is None:
        return IMAGENET_STATISTICS
    return InputStatistics(*(tuple(255 * value for value in values) for values in (published.mean, published.std)))


def _imagenet_of_timm(arch: str) -> Mapping[str, Tensor]:
    name = arch.removeprefix(TIMM)
    try:
        network = load_timm().create_model(name, pretrained=True, num_classes=0, global_pool="")
    except (OSError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"--init {IMAGENET}: timm's weights of {name} can't be had ({_first_line(error)}): "
            "get them where there is a network, and name your copy with --init FILE"
        ) from error
    state: Mapping[str, Tensor] = network.state_dict()
    return state


def _read(file: Path, data: bytes) -> Mapping[str, Tensor]:
    """The tensors by name. Only tensors are read: a pickle that holds anything else is refused."""
    damaged = f"{file}: not a file of weights, or damaged: get it again"
    try:
        if file.suffix == ".safetensors":
            return load_safetensors(data)
        with zipfile.ZipFile(file) as archive:
            if archive.testzip():  # torch.load doesn't look at the checksums
                raise DataError(damaged)
    except (zipfile.BadZipFile, SafetensorError) as error:
        if file.suffix == ".safetensors" or zipfile.is_zipfile(file):
            raise DataError(damaged) from error  # else it may be of torch's older format
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise DataError(f"{file}: holds more than tensors, or is damaged: save its state_dict() alone") from error
    except (OSError, EOFError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(damaged) from error
    return _tensors(content, damaged)


def _tensors(content: Any, damaged: str) -> Mapping[str, Tensor]:
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict):
        raise DataError(damaged)
    return {str(name).removeprefix(_PARALLEL): value for name, value in content.items() if isinstance(value, Tensor)}


def _load(network: CartonNet, state: Mapping[str, Tensor], source: str, arch: str) -> int:
    """Copy the weights in; returns how many tensors there were."""
    target, head = _target(network, state)
    wanted = target.state_dict()
    given = {name: value for name, value in state.items() if name in wanted or not name.startswith(head)}
    counted = [name for name in wanted if not name.endswith("num_batches_tracked")]
    for name in counted:
        if name not in given:
            raise DataError(f"{source}: weights of another network: no '{name}' in it: name those of --arch {arch}")
        if given[name].shape != wanted[name].shape:
            raise DataError(
                f"{source}: weights of another network: '{name}' is {tuple(given[name].shape)} and should be "
                f"{tuple(wanted[name].shape)}: name those of --arch {arch}"
            )
    strange = next((name for name in given if name not in wanted), None)
    if strange:
        raise DataError(f"{source}: weights of another network: '{strange}' is too much: name those of --arch {arch}")
    target.load_state_dict(given, strict=False)
    return len(given)


def _target(network: CartonNet, state: Mapping[str, Tensor]) -> tuple[torch.nn.Module, tuple[str, ...]]:
    """The submodule that the weights' names refer to, and the prefixes of the names to ignore."""
    if any(name.startswith("features.") and name[9:] in network.features.state_dict() for name in state):
        return _Body(network), (
            "head.",
            "mean",
            "std",
            "category_head.",
            "space.",
            *(() if _has_attention(network) else ("attention.",)),
        )
    inner = getattr(network.features, "network", network.features)
    return inner, (network.features.head,)


class _Body(torch.nn.Module):
    """A Kardus network without its heads."""

    def __init__(self, network: CartonNet) -> None:
        super().__init__()
        self.features = network.features
        self.attention = network.attention


def _has_attention(network: CartonNet) -> bool:
    return bool(network.attention.state_dict())


def _digest(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
