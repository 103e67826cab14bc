"""Runs a network over many crops, batch by batch."""

import torch

from kardus.inference.preprocess import Pixels
from kardus.inference.raw_outputs import RawOutputs
from train.augmentation.augmented_views import to_tensor
from train.networks.carton import CartonNet

BATCH = 64


@torch.no_grad()
def run_network(network: CartonNet, crops: Pixels) -> RawOutputs:
    """The network's outputs for crops (N, S, S, 3) uint8 RGB, in evaluation mode."""
    device = next(network.parameters()).device
    network.eval()

    def run(part: Pixels) -> RawOutputs:
        return RawOutputs(*(output.cpu().numpy() for output in network.explain(to_tensor(part, device))))

    return RawOutputs.joined([run(crops[start : start + BATCH]) for start in range(0, len(crops), BATCH)])


@torch.no_grad()
def pooled_features(network: CartonNet, crops: Pixels) -> torch.Tensor:
    """What the embedding of crops (N, S, S, 3) uint8 RGB is computed from, (N, c), on the CPU."""
    device = next(network.parameters()).device
    network.eval()
    starts = range(0, len(crops), BATCH)
    return torch.cat([network.described(to_tensor(crops[i : i + BATCH], device)).cpu() for i in starts])
