"""Layers that keep the weights that they begin with."""

import numpy as np
import pytest
import torch

from kardus.support.errors import UsageError
from tests.train.noise import noise_photos
from train.augmentation.augmented_views import FreshViews, Photos
from train.config import make_config
from train.fitting.freezing import frozen_layers
from train.fitting.loop import train
from train.networks.carton import CartonNet

RUN = {"arch": "timm:test_resnet", "init": "a.pth", "size": 32, "epochs": 2, "batch": 4, "lr": 0.05, "precision": "32"}


def test_frozen_layers_keep_weights_and_statistics_and_the_others_learn() -> None:
    config = make_config(**RUN, frozen=0.5)
    photos = Photos(noise_photos().permute(0, 2, 3, 1).to(torch.uint8).numpy(), np.arange(6) % 2)
    torch.manual_seed(0)
    network = CartonNet(config.arch, 2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    trained = train(network, FreshViews(photos, config), Photos(photos.pixels[:0], photos.labels[:0]), config, print)
    still = {name for name, value in trained.state_dict().items() if torch.equal(value, before[name])}
    names = {id(layer): name for name, layer in network.named_modules()}
    kept = [names[id(layer)] for layer in frozen_layers(network, 0.5)]
    others = [names[id(layer)] for layer in frozen_layers(network, 1.0)[len(kept) :]]
    assert len(kept) >= 5
    assert {f"{name}.{key}" for name in kept for key in network.get_submodule(name).state_dict()} <= still
    assert not still & {f"{name}.weight" for name in others}
    assert "head.weight" not in still


def test_no_share_freezes_nothing() -> None:
    assert frozen_layers(CartonNet("timm:test_resnet", 2), 0.0) == []
    assert frozen_layers(torch.nn.Linear(2, 2), 0.5) == []


def test_random_layers_may_not_be_frozen() -> None:
    with pytest.raises(UsageError, match=r"^--frozen 0\.3: .*: give --init, or --frozen 0$"):
        make_config(frozen=0.3)
