"""One way to ask a trained model, whether it is a run, a checkpoint or a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from edge_agent.bundle import read_bundle
from edge_agent.classifier import Classifier
from edge_agent.contract.base import Record
from edge_agent.contract.manifest import Calibration, ClassInfo
from edge_agent.errors import UsageError
from edge_agent.preprocess import Pixels
from train.checkpoint import load_checkpoint
from train.config import TrainConfig
from train.loop import predict, to_tensor
from train.networks.carton import CartonNet

BATCH = 64


class Origin(Record):
    """Which data set a model was trained on, and how it was split."""

    data_sha256: str
    val_fraction: float = TrainConfig().val_fraction
    seed: int = 0


class Predictor(Protocol):
    """A trained model that can be evaluated."""

    @property
    def size_px(self) -> int:
        """Width and height of its crops."""

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """Its classes, in the order of the logits."""

    @property
    def calibration(self) -> Calibration:
        """Temperature and rejection threshold."""

    @property
    def origin(self) -> Origin:
        """What it was trained on."""

    def logits(self, crops: Pixels) -> NDArray[np.float32]:
        """(N, size_px, size_px, 3) uint8 -> (N, classes)."""

    def evidence(self, crops: Pixels) -> NDArray[np.float32]:
        """(N, size_px, size_px, 3) uint8 -> (N, h, w), 0 or more: what each answer rests on."""


@dataclass(frozen=True)
class TorchPredictor:
    """A checkpoint, run by torch."""

    model: CartonNet
    size_px: int
    classes: tuple[ClassInfo, ...]
    calibration: Calibration
    origin: Origin

    def logits(self, crops: Pixels) -> NDArray[np.float32]:
        """(N, size_px, size_px, 3) uint8 -> (N, classes)."""
        return predict(self.model, crops, BATCH).numpy()

    @torch.no_grad()
    def evidence(self, crops: Pixels) -> NDArray[np.float32]:
        """(N, size_px, size_px, 3) uint8 -> (N, h, w), 0 or more: what each answer rests on."""
        parts = [self.model.explain(to_tensor(part)).evidence for part in _batches(crops)]
        return torch.cat(parts).numpy()


@dataclass(frozen=True)
class BundlePredictor:
    """A bundle, run by the agent's own classifier."""

    classifier: Classifier

    @property
    def size_px(self) -> int:
        """Width and height of its crops."""
        return self.classifier.size_px

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """Its classes, in the order of the logits."""
        return self.classifier.manifest.classes

    @property
    def calibration(self) -> Calibration:
        """Temperature and rejection threshold."""
        return self.classifier.manifest.calibration

    @property
    def origin(self) -> Origin:
        """What it was trained on."""
        training = self.classifier.manifest.training
        return Origin.model_validate({**training.config, "data_sha256": training.data_sha256})

    def logits(self, crops: Pixels) -> NDArray[np.float32]:
        """(N, size_px, size_px, 3) uint8 -> (N, classes)."""
        return np.concatenate([self.classifier.run(part).logits for part in _batches(crops)])

    def evidence(self, crops: Pixels) -> NDArray[np.float32]:
        """(N, size_px, size_px, 3) uint8 -> (N, h, w), 0 or more: what each answer rests on."""
        return np.concatenate([self.classifier.run(part).evidence for part in _batches(crops)])


def _batches(crops: Pixels) -> list[Pixels]:
    return [crops[start : start + BATCH] for start in range(0, len(crops), BATCH)]


def open_predictor(path: Path) -> Predictor:
    """Open a run folder, a checkpoint or a bundle.

    Raises:
        UsageError: there is nothing at the path.
        DataError: it is not a checkpoint.
        BundleError: it is a bundle that cannot be read.
    """
    if not path.exists():
        raise UsageError(f"{path}: no such model: name a run's folder, a checkpoint or a .bundle file")
    if path.suffix == ".bundle":
        return BundlePredictor(Classifier(read_bundle(path)))
    checkpoint = load_checkpoint(path)
    config = checkpoint.config
    origin = Origin(data_sha256=checkpoint.data_sha256, val_fraction=config.val_fraction, seed=config.seed)
    return TorchPredictor(checkpoint.model(), config.size, checkpoint.classes, checkpoint.calibration, origin)
