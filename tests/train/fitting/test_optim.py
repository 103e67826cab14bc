"""How the weights move: rates, decay, averages."""

import pytest
import torch
from torch import nn

from train.config import make_config
from train.fitting.optim import average, average_decay, build_optimizer, decay_groups, rate, set_rate
from train.networks.carton import CartonNet


def _network() -> nn.Module:
    return nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 8, 4), nn.Linear(8, 3))


def test_weight_decay_spares_biases_and_normalisation() -> None:
    model = _network()
    decayed, plain = decay_groups(model.parameters(), 0.05)
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.05, 0.0)
    kernels = [model.get_parameter("1.weight"), model.get_parameter("2.weight")]
    assert [id(p) for p in decayed["params"]] == [id(p) for p in kernels]
    assert len(plain["params"]) == 4


@pytest.mark.parametrize("steps", [*range(1, 13), 100, 997])
def test_the_rate_rises_once_and_falls_to_nearly_nothing(steps: int) -> None:
    rates = [rate(done, steps) for done in range(steps)]
    assert all(0 < value <= 1 for value in rates)
    assert max(rates) == pytest.approx(1)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert steps < 50 or rates[-1] < 0.01


@pytest.mark.parametrize(("schedule", "rates"), [("constant", {0.5}), ("cosine", {0.5 * rate(n, 9) for n in range(9)})])
def test_the_schedule_sets_the_optimizers_rate(schedule: str, rates: set[float]) -> None:
    config = make_config(schedule=schedule, lr=0.5)
    optimizer = build_optimizer(_network(), config)
    seen = set()
    for done in range(9):
        set_rate(optimizer, config, done, 9)
        seen |= {group["lr"] for group in optimizer.param_groups}
    assert seen == rates


def test_adam_is_the_founding_studys_without_weight_decay() -> None:
    optimizer = build_optimizer(_network(), make_config(optimizer="adam", lr=5e-4, weight_decay=0.05))
    assert type(optimizer) is torch.optim.Adam
    assert {(group["lr"], group["weight_decay"]) for group in optimizer.param_groups} == {(5e-4, 0.0)}


def test_a_pretrained_backbone_learns_at_its_own_rate() -> None:
    config = make_config(lr=0.5, backbone_lr=0.2)
    network = CartonNet("timm:test_resnet", 3)
    optimizer = build_optimizer(network, config)
    set_rate(optimizer, config, 4, 9)
    given = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert len(given) == len(list(network.parameters()))
    assert {given[id(p)] for p in network.features.parameters()} == {0.5 * 0.2 * rate(4, 9)}
    assert {given[id(p)] for p in network.head.parameters()} == {0.5 * 1.0 * rate(4, 9)}


def test_the_average_looks_back_over_its_share_and_takes_buffers_over() -> None:
    assert average_decay(1, 1000, 0.1) == 0
    assert average_decay(1000, 1000, 0.1) == pytest.approx(0.99)
    assert average_decay(1000, 1000, 0.0) == 0
    kept, moving = _network(), _network()
    before, now = kept.get_parameter("1.weight").clone(), moving.get_parameter("1.weight")
    moving.get_buffer("0.running_mean").fill_(3)
    average(kept, moving, 0.75)
    assert torch.allclose(kept.get_parameter("1.weight"), 0.75 * before + 0.25 * now)
    assert torch.equal(kept.get_buffer("0.running_mean"), torch.full((3,), 3.0))
