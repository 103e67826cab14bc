"""Checkpoints: what a run writes, and how it is read back.

A run is a folder: `model.ckpt` (weights and everything needed to use them), `metrics.json`, `curves.png`.
"""

import io
import json
import pickle
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import NonNegativeInt, ValidationError

from kardus.contract.base import Record
from kardus.contract.manifest import Calibration, ClassInfo, Metric, PixelAccuracy
from kardus.support.errors import DataError, UsageError
from kardus.support.files import write_whole
from train.config import TrainConfig
from train.networks.carton import AttentionSpec, CartonNet

CHECKPOINT = "model.ckpt"
MEASURED = "measured.ckpt"
"""Beside a refitted checkpoint: the network that was evaluated, which wasn't trained on the held-out photos."""
FORMAT = 3
_DAMAGE = (  # what zipfile, torch.load and the validation raise on a damaged or foreign file
    OSError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    UsageError,
    ValidationError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


class RefitOutcome(Record):
    """What a refit came to on the photos that were held out before it, beside the network that was measured on them."""

    photos: NonNegativeInt
    loss_before: float
    """The mean cross-entropy of the measured network."""
    loss_after: float
    agreement: float
    """The share of them that both networks give the same class."""
    kept: float
    """The share, of those that the measured network named rightly, that the refitted one does too."""
    strayed: float = 0.0
    """The share of all that the refitted network gives another class than the measured one, a wrong one, and for which
    the right one has become less likely."""
    refused: str = ""
    """Why it wasn't delivered; empty: it was."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained model with its configuration, classes, calibration and origin."""

    config: TrainConfig
    classes: tuple[ClassInfo, ...]
    calibration: Calibration
    metrics: tuple[Metric, ...]
    data_source: str
    """The data set's path at training time."""
    data_sha256: str
    photos: int
    versions: dict[str, str]
    weights: dict[str, torch.Tensor]
    prototypes: torch.Tensor
    """(classes, d): the mean embedding of each class's photos."""
    pixels: tuple[PixelAccuracy, ...] = ()
    """Accuracy by the resolution of a crop."""
    refitted: bool = False
    """Whether training continued on the held-out photos after the evaluation."""
    refit: RefitOutcome | None = None
    """What that came to; None where it is still to be done, isn't asked for, or was done before this was measured."""
    epochs_done: int | None = None
    """Of a training that is still going on, or was interrupted; None: it was finished."""

    @property
    def waits_for_refit(self) -> bool:
        """Whether the refit on the held-out photos, too, is still to be done."""
        return bool(self.config.refit) and not self.config.folds and not self.refitted and self.refit is None

    @property
    def unfinished(self) -> str:
        """What is still to be done of the run, in words; empty where nothing is."""
        if self.epochs_done is not None:
            return f"its training is at epoch {self.epochs_done} of {self.config.epochs}"
        return "its refit on the held-out photos too isn't done yet" if self.waits_for_refit else ""

    def model(self) -> CartonNet:
        """The network with the trained weights, in evaluation mode."""
        network = build_network(self.config, self.classes)
        network.load_state_dict(self.weights)
        return network.eval()


def build_network(config: TrainConfig, classes: Sequence[ClassInfo]) -> CartonNet:
    """The network that a configuration describes for these classes, with random weights."""
    scales = AttentionSpec(config.rmcsam_reductions, config.rmcsam_kernels, config.rmcsam_recursions)
    return CartonNet(
        config.arch,
        len(classes),
        attention=scales if config.rmcsam else None,
        pooling=config.pooling,
        dropout=config.dropout,
        categories=len(categories_of(classes)) if config.category_weight else 0,
        stages=config.embedding == "stages",
    )


def categories_of(classes: Sequence[ClassInfo]) -> list[str]:
    """The distinct categories, sorted."""
    return sorted({info.category for info in classes})


def save_checkpoint(path: Path, checkpoint: Checkpoint, progress: dict[str, Any] | None = None) -> None:
    """Write the checkpoint to a temporary name, then rename: a reader sees the old one or the new one.

    `progress` is the training state needed to resume from it.

    Raises:
        DataError: it can't be written; an earlier checkpoint stays.
    """
    content = {
        "format": FORMAT,
        "config": checkpoint.config.model_dump(),
        "classes": [info.model_dump() for info in checkpoint.classes],
        "calibration": checkpoint.calibration.model_dump(),
        "metrics": [metric.model_dump() for metric in checkpoint.metrics],
        "data_source": checkpoint.data_source,
        "data_sha256": checkpoint.data_sha256,
        "photos": checkpoint.photos,
        "versions": checkpoint.versions,
        "weights": checkpoint.weights,
        "prototypes": checkpoint.prototypes,
        "pixels": [point.model_dump() for point in checkpoint.pixels],
        "refitted": checkpoint.refitted,
        "refit": checkpoint.refit.model_dump() if checkpoint.refit else None,
        "progress": progress,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_whole(path, buffer.getvalue())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a run folder or a checkpoint file.

    Raises:
        DataError: there is none, or it is not a Kardus checkpoint.
    """
    file = path / CHECKPOINT if path.is_dir() else path
    if not file.is_file():
        raise DataError(f"{file}: no checkpoint there: name a run's folder (kardus-train fit ... --out RUN)")
    content = read_content(file)
    try:
        checkpoint = _from_content(content)
        checkpoint.model()  # weights that don't fit their configuration are found here
        return checkpoint  # noqa: TRY300 - everything above may fail
    except _DAMAGE as error:
        raise DataError(f"{file}: not a Kardus checkpoint, or damaged: train again, or restore it") from error


def require_finished(path: Path, checkpoint: Checkpoint, otherwise: str = "") -> Checkpoint:
    """The checkpoint that was read from a run; `otherwise` is what else can be done about one that isn't finished.

    Raises:
        UsageError: it isn't.
    """
    if checkpoint.unfinished:
        raise UsageError(
            f"{path}: unfinished, {checkpoint.unfinished}: wait for it, or go on with it (kardus-train fit "
            f"... --resume){otherwise}"
        )
    return checkpoint


def read_content(file: Path) -> dict[str, Any]:
    """Everything that `save_checkpoint` wrote into a file; only its checksums and its format version are verified.

    Raises:
        DataError: the file is damaged, of another format, or no checkpoint.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            broken = archive.testzip()  # torch.load doesn't look at the checksums
        if broken:
            raise zipfile.BadZipFile(broken)
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        if content["format"] == FORMAT:
            return content
    except _DAMAGE as error:
        raise DataError(f"{file}: not a Kardus checkpoint, or damaged: train again, or restore it") from error
    raise DataError(
        f"{file}: written by another version of Kardus (format {content['format']}, not {FORMAT}): train again"
    )


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON, whole or not at all."""
    write_whole(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _from_content(content: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        config=TrainConfig.model_validate(content["config"]),
        classes=tuple(ClassInfo.model_validate(info) for info in content["classes"]),
        calibration=Calibration.model_validate(content["calibration"]),
        metrics=tuple(Metric.model_validate(metric) for metric in content["metrics"]),
        data_source=content["data_source"],
        data_sha256=content["data_sha256"],
        photos=content["photos"],
        versions=content["versions"],
        weights=content["weights"],
        prototypes=content["prototypes"],
        pixels=tuple(PixelAccuracy.model_validate(point) for point in content["pixels"]),
        refitted=content["refitted"],
        refit=RefitOutcome.model_validate(content["refit"]) if content.get("refit") else None,
        epochs_done=content["progress"]["epoch"] if content["progress"] else None,
    )
