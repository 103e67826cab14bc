"""Backbones without pooling and head: each returns a feature map (N, channels, H, W).

Architectures of torchvision by their own names, and any convolutional network of timm as `timm:NAME`.
"""

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn
from torchvision import models

from kardus.support.errors import UsageError

TIMM = "timm:"
_PROBE_PX = 64


class NetworkParts(NamedTuple):
    """The attributes of a network that compute its feature map, and the prefix of its head's weight names."""

    body: tuple[str, ...]
    head: str


_RESIDUAL = NetworkParts(("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"), "fc.")
_SHUFFLED = NetworkParts(("conv1", "maxpool", "stage2", "stage3", "stage4", "conv5"), "fc.")
_REGULAR = NetworkParts(("stem", "trunk_output"), "fc.")
_FEATURES = NetworkParts(("features",), "classifier.")
_PARTS: dict[str, NetworkParts] = {
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnet101"), _RESIDUAL),
    **dict.fromkeys(("mobilenet_v3_small", "mobilenet_v3_large"), _FEATURES),
    **dict.fromkeys((f"shufflenet_v2_{width}" for width in ("x0_5", "x1_0", "x1_5", "x2_0")), _SHUFFLED),
    **dict.fromkeys(("efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_v2_s"), _FEATURES),
    **dict.fromkeys(("convnext_tiny", "convnext_small"), _FEATURES),
    **dict.fromkeys((f"regnet_{kind}" for kind in ("x_400mf", "x_800mf", "y_400mf", "y_800mf", "y_1_6gf")), _REGULAR),
    **dict.fromkeys(("vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"), _FEATURES),
}
ARCHITECTURES = tuple(_PARTS)
EARLIER_STAGES = slice(-4, -1)
"""Three of the seven stages of an EfficientNet, 80, 112 and 192 channels in Lite0: the last but one to the last but
three. What an accent's colour is and how a word looks is still to be seen there, when the last map knows classes."""


class Backbone(nn.Module):
    """A feature extractor. Its weights keep the names that they have in the original network."""

    def __init__(self, network: nn.Module, body: tuple[str, ...], head: str) -> None:
        """Keep the modules named by `body`; `head` is the name prefix of the weights that are dropped."""
        super().__init__()
        for name in body:
            setattr(self, name, getattr(network, name))
        self.body = body
        self.head = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, S, S) -> (N, channels, h, w)."""
        for name in self.body:
            x = getattr(self, name)(x)
        return x


class TimmBackbone(nn.Module):
    """A network of timm without its head."""

    def __init__(self, network: Any) -> None:
        """Wrap the network; timm says how the head is named."""
        super().__init__()
        self.network = network
        self.head = str(network.default_cfg.get("classifier", "")) + "."

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, S, S) -> (N, channels, h, w)."""
        maps: torch.Tensor = self.network.forward_features(x)
        return maps

    def with_stages(self, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """What `forward` gives, and the maps of EARLIER_STAGES before it. For an EfficientNet: see `stage_channels`."""
        network, maps = self.network, []
        x = network.bn1(network.conv_stem(x))
        for block in network.blocks:
            x = block(x)
            maps.append(x)
        last: torch.Tensor = network.bn2(network.conv_head(x))
        return last, maps[EARLIER_STAGES]


@torch.no_grad()
def stage_channels(backbone: nn.Module, name: str) -> list[int]:
    """How many channels the maps of EARLIER_STAGES have.

    Raises:
        UsageError: the network `name` has no stages that are known here.
    """
    if not isinstance(backbone, TimmBackbone) or type(backbone.network).__name__ != "EfficientNet":
        raise UsageError(f"--embedding stages: --arch {name} isn't an EfficientNet of timm: give --embedding last")
    was_training = backbone.training
    _, earlier = backbone.eval().with_stages(torch.zeros(1, 3, _PROBE_PX, _PROBE_PX))
    backbone.train(was_training)
    return [stage.shape[1] for stage in earlier]


def build_backbone(name: str) -> tuple[Backbone | TimmBackbone, int]:
    """The backbone with random weights, and how many channels its feature map has.

    Raises:
        UsageError: the name is not known, or the network gives no feature map.
    """
    require_known(name)
    if name.startswith(TIMM):
        backbone: Backbone | TimmBackbone = _from_timm(name)
    else:
        backbone = Backbone(models.get_model(name, weights=None), *_PARTS[name])
    return backbone, _channels(backbone, name)


def require_known(name: str) -> None:
    """Refuse an unknown architecture.

    Raises:
        UsageError: it is neither in ARCHITECTURES nor in timm.
    """
    if name in _PARTS:
        return
    if not name.startswith(TIMM):
        raise UsageError(f"--arch {name}: not known: use one of {', '.join(ARCHITECTURES)}, or {TIMM}NAME")
    if name.removeprefix(TIMM) not in load_timm().list_models():
        raise UsageError(f"--arch {name}: timm has no such network: see timm.list_models()")


def load_timm() -> Any:
    """Import timm lazily: most runs don't need it, and importing it takes a second."""
    return importlib.import_module("timm")


def _from_timm(name: str) -> TimmBackbone:
    network: Callable[..., Any] = load_timm().create_model
    return TimmBackbone(network(name.removeprefix(TIMM), pretrained=False, num_classes=0, global_pool=""))


@torch.no_grad()
def _channels(backbone: nn.Module, name: str) -> int:
    """The number of channels of the feature map, found by a forward pass on a batch of zeros."""
    refusal = f"--arch {name}: gives no feature map of (N, channels, H, W): use a convolutional network"
    was_training = backbone.training
    try:
        maps = backbone.eval()(torch.zeros(1, 3, _PROBE_PX, _PROBE_PX))
    except (RuntimeError, AssertionError) as error:  # a transformer insists on its own input size
        raise UsageError(refusal) from error
    finally:
        backbone.train(was_training)
    if maps.ndim != 4 or maps.shape[1] < maps.shape[3]:  # noqa: PLR2004 - N, C, H, W
        raise UsageError(refusal)
    return int(maps.shape[1])
