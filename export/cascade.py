"""Two networks become one bundle: whether they fit each other, and what the small one may answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.cascade_fit import JudgedNetwork, fit_cascade
from export.lower_precision import PrecisionTarget, judged_checkpoint
from export.photo_selection import unseen_by_all
from kardus.contract.manifest import CascadeFit, Manifest, SmallModel
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier
from kardus.inference.preprocess import Pixels
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import UsageError
from train.evaluation.outputs import run_network
from train.networks.checkpoint import Checkpoint


@dataclass(frozen=True)
class ExportedNetwork:
    """A network that was exported, and compared with the trained one."""

    model: bytes
    manifest: Manifest
    """Of it alone."""
    logits: NDArray[np.float32]
    """(N, classes): its answers to the examples."""
    judged: bytes | None
    """The model of lower precision that was evaluated; None in FP32."""


def run_exported(out: Path, manifest: Manifest, model: bytes, crops: Pixels) -> RawOutputs:
    """A model's outputs in the agent's own classifier; `out` names it in errors."""
    return Classifier(Bundle(str(out), manifest, model, (), {}, ())).run(crops)


def require_pair(runs: Sequence[Path], checkpoints: Sequence[Checkpoint]) -> None:
    """Require that a small network goes with a large one.

    Raises:
        UsageError: its classes or its crops are others.
    """
    large, *others = checkpoints
    for path, small in zip(runs[1:], others, strict=True):
        if small.config.size != large.config.size:
            raise UsageError(
                f"--small {path}: takes crops of {small.config.size} px, {runs[0]} of {large.config.size} px: train it "
                f"with --size {large.config.size}"
            )
        differing = set(small.classes) ^ set(large.classes)
        if differing or small.classes != large.classes:
            name = f" ('{min(info.name for info in differing)}')" if differing else ""
            raise UsageError(f"--small {path}: has other classes than {runs[0]}{name}: train both on the same data set")


def fit_pair(
    runs: Sequence[Path],
    checkpoints: Sequence[Checkpoint],
    networks: Sequence[ExportedNetwork],
    *,
    target: PrecisionTarget,
    max_loss: float,
    out: Path,
) -> CascadeFit:
    """What the small one of two networks may answer, the large one being the first.

    Those from before a refit are judged, since the refitted ones have learnt every photo.

    Raises:
        DataError: a data set can't be read.
        UsageError: too few photos are left that neither was trained on.
        BundleError: the small one is sure of none.
    """
    judged = [judged_checkpoint(run, checkpoint) for run, checkpoint in zip(runs, checkpoints, strict=True)]
    photos = unseen_by_all(judged, target.data, target.calibrate)
    large, small = (
        JudgedNetwork(
            run_exported(out, network.manifest, network.judged, photos.crops.pixels)
            if network.judged
            else run_network(checkpoint.model(), photos.crops.pixels),
            network.manifest.calibration,
            checkpoint.prototypes.numpy(),
        )
        for checkpoint, network in zip(judged, networks, strict=True)
    )
    classes, names = judged[0].classes, photos.crops.names
    return fit_cascade(small, large, classes, names, photos.groups, max_loss=max_loss, fitted_on=photos.origin)


def with_small(large: Manifest, small: Manifest, fit: CascadeFit) -> Manifest:
    """The manifest of a cascade, from those of its networks."""
    own = {name: getattr(small, name) for name in SmallModel.model_fields if name in Manifest.model_fields}
    return large.model_copy(update={"small": SmallModel(**own, fit=fit)})
