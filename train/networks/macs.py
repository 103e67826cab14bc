"""Computational cost of a network: multiply-accumulate operations (MACs) for one crop."""

from typing import Any

import torch
from torch import Tensor, nn


@torch.no_grad()
def multiply_adds(network: nn.Module, size_px: int) -> int:
    """Multiply-adds of the convolutions and linear layers for one crop of (3, size_px, size_px).

    As published tables count them (ResNet-18 at 224 px: 1.81e9); normalisation, activations and pooling are left out.
    """
    total = 0

    def count(module: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal total
        weight = module.weight
        if not isinstance(weight, Tensor):
            raise TypeError("a layer's weight is a tensor")
        places = output[0, 0].numel() if isinstance(module, nn.Conv2d) else output[0].numel() // weight.shape[0]
        total += weight.numel() * max(1, places)

    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    was_training = network.training
    try:
        network.eval()(torch.zeros(1, 3, size_px, size_px, device=next(network.parameters()).device))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return total
