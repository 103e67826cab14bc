"""One interface for inference with a trained model, whether it is a run, a checkpoint or a bundle."""

import typing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kardus.contract.base import Record
from kardus.contract.manifest import Calibration, ClassInfo
from kardus.inference.bundle import read_bundle
from kardus.inference.classifier import Classifier
from kardus.inference.multi_crop import outputs_of
from kardus.inference.preprocess import Pixels
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import UsageError
from train.config import Protocol, TrainConfig
from train.evaluation.outputs import run_network
from train.networks.carton import CartonNet
from train.networks.checkpoint import Checkpoint, load_checkpoint


class ModelOrigin(Record):
    """Which data set a model was trained on, and how it was split."""

    data_sha256: str
    val_fraction: float = TrainConfig().val_fraction
    seed: int = 0
    protocol: Protocol = "honest"
    folds: int = 0
    refit: float = 0.0
    unfinished: str = ""
    """What of its run is still to be done, in words; empty where nothing is."""

    @property
    def trained_on_all(self) -> bool:
        """Whether nothing was held out of the data set."""
        return bool(self.folds) or self.protocol == "founding"

    @property
    def refitted(self) -> bool:
        """Whether training continued on the held-out photos after the evaluation."""
        return bool(self.refit)

    @property
    def trained_on(self) -> tuple[str, ...]:
        """The splits that it was trained on; never `test`, which a refit leaves alone."""
        return ("train", "val") if self.refitted else ("train",)


class Predictor(typing.Protocol):
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
    def origin(self) -> ModelOrigin:
        """What it was trained on."""

    @property
    def prototypes(self) -> NDArray[np.float32]:
        """The mean embedding of each class, (classes, d)."""

    def outputs(self, crops: Pixels) -> RawOutputs:
        """Its outputs for crops (N, size_px, size_px, 3) uint8, as the agent takes them: see `multi_crop`."""


@dataclass(frozen=True)
class TorchPredictor:
    """A checkpoint, run by torch."""

    model: CartonNet
    size_px: int
    classes: tuple[ClassInfo, ...]
    calibration: Calibration
    origin: ModelOrigin
    prototypes: NDArray[np.float32]

    def outputs(self, crops: Pixels) -> RawOutputs:
        """See `Predictor`."""
        return outputs_of(crops, lambda some: run_network(self.model, some), self.calibration, self.prototypes)


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
    def origin(self) -> ModelOrigin:
        """What it was trained on."""
        training = self.classifier.manifest.training
        return ModelOrigin.model_validate({**training.config, "data_sha256": training.data_sha256})

    @property
    def prototypes(self) -> NDArray[np.float32]:
        """The mean embedding of each class, (classes, d)."""
        return np.array(self.classifier.manifest.prototypes, np.float32)

    def outputs(self, crops: Pixels) -> RawOutputs:
        """See `Predictor`."""
        return self.classifier.outputs(crops)


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
    return open_checkpoint(load_checkpoint(path))


def open_checkpoint(checkpoint: Checkpoint) -> Predictor:
    """The model of a checkpoint in memory."""
    config = checkpoint.config
    origin = ModelOrigin.model_validate(
        {
            "data_sha256": checkpoint.data_sha256,
            **config.model_dump(include={"val_fraction", "seed", "protocol", "folds"}),
            "refit": config.refit if checkpoint.refitted else 0.0,
            "unfinished": checkpoint.unfinished,
        }
    )
    prototypes = checkpoint.prototypes.numpy()
    return TorchPredictor(
        checkpoint.model(), config.size, checkpoint.classes, checkpoint.calibration, origin, prototypes
    )
