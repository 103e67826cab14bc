"""Multiply-adds are those of the published tables."""

import pytest
import torch
from torchvision import models

from train.networks.carton import AttentionSpec, CartonNet
from train.networks.macs import multiply_adds


@pytest.mark.parametrize(
    ("name", "published"),
    [("resnet18", 1.814e9), ("resnet50", 4.089e9), ("mobilenet_v3_large", 0.217e9), ("shufflenet_v2_x1_0", 0.145e9)],
)
def test_the_count_is_torchvisions(name: str, published: float) -> None:
    assert multiply_adds(models.get_model(name, weights=None), 224) == pytest.approx(published, rel=0.02)


def test_attention_adds_its_own_and_the_network_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    plain, attended = (CartonNet("resnet18", 10, attention=spec) for spec in (None, AttentionSpec()))
    for network in (plain, attended):
        network.train()
    counts = [multiply_adds(network, 64) for network in (plain, attended)]
    assert counts[0] < counts[1]
    assert plain.training
    assert not plain.features.conv1._forward_hooks  # type: ignore[union-attr]
