"""Runs a network, or anything that answers as one does, over many crops, batch by batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from edge_agent.classifier import RawOutputs
from edge_agent.preprocess import Pixels
from train.augmentation.views import to_tensor
from train.networks.carton import CartonNet

BATCH = 64
Runner = Callable[[Pixels], RawOutputs]


@torch.no_grad()
def run_network(network: CartonNet, crops: Pixels) -> RawOutputs:
    """The network's outputs for crops (N, S, S, 3) uint8 RGB, in evaluation mode."""
    device = next(network.parameters()).device
    network.eval()

    def run(part: Pixels) -> RawOutputs:
        return RawOutputs(*(output.cpu().numpy() for output in network.explain(to_tensor(part).to(device))))

    return in_batches(run, crops)


def in_batches(run: Runner, crops: Pixels) -> RawOutputs:
    """The outputs of all crops (N, S, S, 3), N from 1."""
    parts = [run(crops[start : start + BATCH]) for start in range(0, len(crops), BATCH)]
    return RawOutputs(
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.embedding for part in parts]),
        np.concatenate([part.evidence for part in parts]),
    )


@torch.no_grad()
def pooled_features(network: CartonNet, crops: Pixels) -> torch.Tensor:
    """The pooled features (N, channels) of crops (N, S, S, 3) uint8 RGB, on the CPU."""
    device = next(network.parameters()).device
    network.eval()
    starts = range(0, len(crops), BATCH)
    return torch.cat([network.pooled(to_tensor(crops[i : i + BATCH]).to(device)).cpu() for i in starts])
