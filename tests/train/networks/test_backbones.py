"""The backbones, cut before their pooling."""

import pytest
import torch
from torchvision import models

from kardus.support.errors import UsageError
from train.networks.backbones import ARCHITECTURES, Backbone, build_backbone, require_known

LIGHT = [name for name in ARCHITECTURES if not name.startswith(("vgg1", "convnext_small", "resnet101"))]


def _device(name: str) -> torch.device:
    """Where shapes alone are computed, since some have a hundred million weights; a RegNet computes its own widths."""
    return torch.device("cpu" if name.startswith("regnet") else "meta")


@pytest.mark.parametrize("name", [*LIGHT, "vgg11_bn", "timm:resnet10t", "timm:convnextv2_atto"])
def test_backbone_gives_a_map_of_the_channels_that_it_states(name: str) -> None:
    with _device(name), torch.no_grad():
        backbone, channels = build_backbone(name)
        assert backbone.training
        maps = backbone.eval()(torch.zeros(1, 3, 64, 96))
    assert maps.shape == (1, channels, 2, 3)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "regnet_y_400mf", "vgg11_bn"])
def test_what_is_left_behind_is_the_head(name: str) -> None:
    with _device(name):
        whole = models.get_model(name, weights=None).state_dict()
        backbone, _ = build_backbone(name)
    assert isinstance(backbone, Backbone)
    left = set(whole) - set(backbone.state_dict())
    assert left
    assert all(weight.startswith(backbone.head) for weight in left)
    assert set(backbone.state_dict()) <= set(whole)


def test_unknown_name_is_refused_with_the_names_that_are_known() -> None:
    with pytest.raises(UsageError, match=r"--arch resnet19: not known: .*resnet18.*vgg19_bn, or timm:NAME"):
        build_backbone("resnet19")


def test_a_name_that_timm_does_not_know_is_refused() -> None:
    with pytest.raises(UsageError, match="--arch timm:resnet19: timm has no such network"):
        require_known("timm:resnet19")


def test_a_network_without_a_map_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--arch timm:vit_tiny_patch16_224: gives no feature map"):
        build_backbone("timm:vit_tiny_patch16_224")
