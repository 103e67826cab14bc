"""RMCSAM against the paper's formulas, worked out in plain numpy."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from train.networks.backbones import build_backbone
from train.networks.rmcsam import RMCSAM

Array = NDArray[np.float64]


def _module(channels: int) -> RMCSAM:
    """A module in evaluation mode whose every number, running statistics included, is drawn at random."""
    torch.manual_seed(5)
    module = RMCSAM(channels).double().eval()
    for name, tensor in module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.3, 2.0)
        elif tensor.is_floating_point():
            tensor.normal_(0.1, 0.4)
    return module


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _convolve(summary: Array, kernel: Array) -> Array:
    """(2, H, W) with (2, k, k), zero padding, written out."""
    size = kernel.shape[-1]
    _, height, width = summary.shape
    padded = np.pad(summary, ((0, 0), (size // 2, size // 2), (size // 2, size // 2)))
    result = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            result[row, column] = (padded[:, row : row + size, column : column + size] * kernel).sum()
    return result


def _step(x: Array, weights: dict[str, Array]) -> Array:
    """One recursion on a single feature map (C, H, W): F' = F * Mc(F) + F * Ms(F)."""
    channel = np.zeros(len(x))
    for scale in range(3):
        first = weights[f"channel.perceptrons.{scale}.0.weight"]
        second = weights[f"channel.perceptrons.{scale}.2.weight"]
        for pooled in (x.mean(axis=(1, 2)), x.max(axis=(1, 2))):
            channel += second @ np.maximum(first @ pooled, 0)
    summary = np.stack([x.max(axis=0), x.mean(axis=0)])
    spatial = np.zeros(x.shape[1:])
    for scale in range(3):
        prefix = f"spatial.convolutions.{scale}"
        convolved = _convolve(summary, weights[f"{prefix}.0.weight"][0])
        spread = np.sqrt(weights[f"{prefix}.1.running_var"] + 1e-5)
        normal = (convolved - weights[f"{prefix}.1.running_mean"]) / spread
        spatial += normal * weights[f"{prefix}.1.weight"] + weights[f"{prefix}.1.bias"]
    return x * _sigmoid(channel)[:, None, None] + x * _sigmoid(spatial)[None]


def test_output_is_the_papers_formula_recursed_three_times() -> None:
    module = _module(64)
    maps = np.random.default_rng(3).normal(size=(2, 64, 6, 5))
    weights = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    expected = maps
    for _ in range(3):
        expected = np.stack([_step(x, weights) for x in expected])
    with torch.no_grad():
        answer = module(torch.from_numpy(maps)).numpy()
    np.testing.assert_allclose(answer, expected, rtol=1e-9, atol=1e-12)


def test_recursions_share_their_weights() -> None:
    torch.manual_seed(0)
    once, thrice = RMCSAM(64, recursions=1).eval(), RMCSAM(64).eval()
    thrice.load_state_dict(once.state_dict())
    maps = torch.randn(1, 64, 4, 4)
    with torch.no_grad():
        assert torch.allclose(thrice(maps), once(once(once(maps))), atol=1e-6)


@pytest.mark.parametrize("channels", [512, 1024, 2048])
def test_parameter_count_follows_from_the_papers_description(channels: int) -> None:
    perceptrons = sum(2 * channels * (channels // reduction) for reduction in (8, 16, 32))
    convolutions = sum(2 * 1 * kernel * kernel for kernel in (7, 5, 3))
    normalisation = 3 * 2
    count = sum(parameter.numel() for parameter in RMCSAM(channels).parameters())
    assert count == perceptrons + convolutions + normalisation


def test_on_resnet50_it_has_1_8_million_parameters_which_is_8_per_cent() -> None:
    backbone, channels = build_backbone("resnet50")
    added = sum(parameter.numel() for parameter in RMCSAM(channels).parameters())
    assert channels == 2048
    assert added == 1_835_008 + 166 + 6
    assert added / sum(parameter.numel() for parameter in backbone.parameters()) == pytest.approx(0.078, abs=0.001)


def test_gradients_reach_every_weight() -> None:
    torch.manual_seed(1)
    module = RMCSAM(64)
    module(torch.randn(4, 64, 5, 5)).square().mean().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert bool((parameter.grad != 0).any()), name
