"""From trained weights to a usable model: whitened embedding, prototypes, outputs for held-out photos, accuracy."""

import importlib.metadata
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kardus.contract.manifest import Calibration, Metric
from kardus.inference.classification import class_means, interpret
from kardus.support.errors import UsageError
from train.augmentation.augmented_views import Photos
from train.config import TrainConfig
from train.evaluation.calibration import HeldOut, held_out, settled
from train.evaluation.metrics import proportion
from train.evaluation.outputs import pooled_features, run_network
from train.fitting.prepare import PreparedPhotos, resized_batch
from train.networks.carton import CartonNet
from train.networks.checkpoint import Checkpoint, categories_of, load_checkpoint, require_finished


def template(prepared: PreparedPhotos, config: TrainConfig) -> Checkpoint:
    """The checkpoint of a run before training, without weights and metrics."""
    return Checkpoint(
        config=config,
        classes=prepared.classes,
        calibration=Calibration(),
        metrics=(),
        data_source=str(prepared.data.source.resolve()),
        data_sha256=prepared.sha256,
        photos=len(prepared.train.labels),
        versions={name: importlib.metadata.version(name) for name in ("kardus", "torch", "torchvision")},
        weights={},
        prototypes=torch.zeros(0, 0),
    )


def category_of(prepared: PreparedPhotos) -> NDArray[np.int64]:
    """The index of each class's category, (classes,)."""
    categories = categories_of(prepared.classes)
    return np.array([categories.index(info.category) for info in prepared.classes])


def teacher_of(config: TrainConfig, prepared: PreparedPhotos) -> nn.Module | None:
    """The frozen teacher network for knowledge distillation; None where no teacher is configured.

    Raises:
        UsageError: it isn't finished, or knows other classes.
    """
    if not config.teacher:
        return None
    path = Path(config.teacher)
    checkpoint = require_finished(path, load_checkpoint(path))
    if [info.name for info in checkpoint.classes] != [info.name for info in prepared.classes]:
        raise UsageError(f"--teacher {config.teacher}: knows other classes than the data set: train it on the same")
    return checkpoint.model().requires_grad_(requires_grad=False)


def finalise(model: nn.Module, photos: Photos, config: TrainConfig) -> tuple[CartonNet, NDArray[np.float32]]:
    """Fit the whitening on the training photos; returns the network and the prototypes (classes, d)."""
    if not isinstance(model, CartonNet):
        raise TypeError("the loop gives back the kind of network that it was given")
    crops = resized_batch(photos.pixels, config.size)
    model.space.fit(pooled_features(model, crops), torch.from_numpy(photos.labels))
    return model, class_means(run_network(model, crops).embedding, photos.labels, model.head.out_features)


def answers_of(network: CartonNet, photos: Photos, prototypes: NDArray[np.float32]) -> HeldOut:
    """The outputs for photos at the network's input size; there may be none."""
    if not len(photos.labels):
        nothing = np.zeros((0, network.head.out_features), np.float32)
        return HeldOut(nothing, np.zeros(0, np.float32), photos.labels)
    outputs = run_network(network, photos.pixels)
    return held_out(outputs, photos.pixels, photos.labels, prototypes, lambda crops: run_network(network, crops))


def accuracy_of(prepared: PreparedPhotos, answers: HeldOut, calibration: Calibration) -> Metric:
    """Accuracy by class; outputs are interpreted as in the agent and in `evaluate`."""
    classes, answers = prepared.classes, settled(answers, calibration)
    seen = interpret(answers.logits, classes, calibration, answers.scores)
    hits = sum(answer.name == classes[label].name for answer, label in zip(seen, answers.labels, strict=True))
    return proportion("class", hits, len(seen))


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights as a checkpoint stores them: on the CPU, contiguous."""
    return {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
