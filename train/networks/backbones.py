"""torchvision backbones cut before their pooling: each gives a feature map (N, channels, H, W)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torchvision import models

from edge_agent.errors import UsageError

_Maker = Callable[..., Any]  # torchvision's functions are untyped
_RESNETS: dict[str, _Maker] = {
    "resnet18": models.resnet18,
    "resnet34": models.resnet34,
    "resnet50": models.resnet50,
}
_MOBILENETS: dict[str, _Maker] = {
    "mobilenet_v3_small": models.mobilenet_v3_small,
    "mobilenet_v3_large": models.mobilenet_v3_large,
}
_SHUFFLENETS: dict[str, _Maker] = {
    "shufflenet_v2_x0_5": models.shufflenet_v2_x0_5,
    "shufflenet_v2_x1_0": models.shufflenet_v2_x1_0,
    "shufflenet_v2_x1_5": models.shufflenet_v2_x1_5,
    "shufflenet_v2_x2_0": models.shufflenet_v2_x2_0,
}
ARCHITECTURES = (*_RESNETS, *_MOBILENETS, *_SHUFFLENETS)


def build_backbone(name: str) -> tuple[nn.Module, int]:
    """The backbone with random weights, and how many channels its feature map has.

    Raises:
        UsageError: the name is not one of ARCHITECTURES.
    """
    if name in _RESNETS:
        resnet = _RESNETS[name](weights=None)
        return nn.Sequential(*list(resnet.children())[:-2]), int(resnet.fc.in_features)
    if name in _MOBILENETS:
        mobilenet = _MOBILENETS[name](weights=None)
        features = mobilenet.features
        return features, int(features[-1].out_channels)
    if name in _SHUFFLENETS:
        shufflenet = _SHUFFLENETS[name](weights=None)
        return nn.Sequential(*list(shufflenet.children())[:-1]), int(shufflenet.fc.in_features)
    raise UsageError(f"--arch {name}: not known: use one of {', '.join(ARCHITECTURES)}")
