"""The torchvision backbones, cut before their pooling."""

from __future__ import annotations

import pytest
import torch

from edge_agent.errors import UsageError
from train.networks.backbones import ARCHITECTURES, build_backbone


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_backbone_gives_a_map_of_the_channels_that_it_states(name: str) -> None:
    backbone, channels = build_backbone(name)
    with torch.no_grad():
        maps = backbone.eval()(torch.zeros(1, 3, 64, 96))
    assert maps.shape == (1, channels, 2, 3)


def test_unknown_name_is_refused_with_the_names_that_are_known() -> None:
    with pytest.raises(UsageError, match=r"--arch resnet19: not known: .*resnet18.*shufflenet_v2_x2_0"):
        build_backbone("resnet19")
