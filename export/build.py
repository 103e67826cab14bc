"""Builds a bundle from a checkpoint, and refuses to write one that doesn't answer as the trained model does."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from edge_agent.bundle import Bundle
from edge_agent.classifier import Classifier
from edge_agent.contract.manifest import (
    NAME_PATTERN,
    VERSION_PATTERN,
    GoldenSample,
    InputSpec,
    Manifest,
    Parity,
    Training,
)
from edge_agent.errors import BundleError, DataError, UsageError
from edge_agent.files import require_file_target
from edge_agent.preprocess import Pixels
from export.graph import OPSET, to_onnx
from export.pack import list_members, members_of, write_bundle
from train.config import TrainConfig
from train.data.data_set import DataSet, read_data
from train.data.photos import load_crops
from train.data.protocol import with_split
from train.evaluation.outputs import Runner, in_batches, run_network
from train.networks.carton import CartonNet
from train.networks.checkpoint import Checkpoint, load_checkpoint

MAX_LOGIT_DIFFERENCE = 1e-3
GOLDEN_TOLERANCE = 2e-3
PARITY_CROPS = 256


@dataclass(frozen=True)
class _Examples:
    """Real crops with their class names, held-out ones first."""

    crops: Pixels
    names: list[str]


def build(
    checkpoint_path: Path,
    out: Path,
    *,
    data: Path | None = None,
    name: str | None = None,
    version: str = "1.0.0",
    keys: Sequence[Ed25519PrivateKey] = (),
) -> Manifest:
    """Export, compare with the trained model on real crops through the agent's own classifier, and pack.

    Args:
        checkpoint_path: a run's folder or a checkpoint.
        out: the bundle to write.
        data: the data set to compare on; by default the one that was trained on.
        name: the model's name; by default the file's.
        version: three numbers.
        keys: private keys to sign with; none leaves the bundle unsigned.

    Raises:
        DataError: the checkpoint or the data set cannot be read.
        BundleError: the exported model answers otherwise than the trained one.
    """
    require_file_target("--out", out)
    created = _created()
    checkpoint = load_checkpoint(checkpoint_path)
    _check_names(name or out.stem, version)
    examples = _examples(checkpoint, data)
    network = checkpoint.model()
    model = to_onnx(network, checkpoint.config.size)
    manifest = _manifest(checkpoint, network, name or out.stem, version, created)
    exported = Classifier(Bundle(str(out), manifest, model, (), {}, ())).run
    parity, expected = _parity(network, exported, examples.crops)
    _refuse_difference(out, parity)
    golden, crops = _golden(checkpoint, examples, expected)
    members = members_of(model, golden, crops)
    complete = manifest.model_copy(update={"parity": parity, "members": list_members(members)})
    write_bundle(out, complete, members, keys)
    return complete


def _check_names(name: str, version: str) -> None:
    for option, value, pattern, remedy in (
        ("--name", name, NAME_PATTERN, "use letters, digits, '.', '_' and '-'"),
        ("--version", version, VERSION_PATTERN, "use three numbers, such as 1.2.0"),
    ):
        if not re.match(pattern, value):
            raise UsageError(f"{option} '{value}': can't be used: {remedy}")


def _examples(checkpoint: Checkpoint, data: Path | None) -> _Examples:
    """Held-out photos first, then trained ones, until every class and PARITY_CROPS photos are there."""
    source = data or Path(checkpoint.data_source)
    if not source.exists():
        raise DataError(f"{source}: the data set that was trained on is not there: name it with --data")
    labelled = with_split(read_data(source), checkpoint.config.val_fraction, checkpoint.config.seed)
    known = {info.name for info in checkpoint.classes}
    ranked = sorted((s for s in labelled.samples if s.name in known), key=lambda s: s.split == "train")
    covering = {sample.name: sample for sample in reversed(ranked)}
    missing = known - set(covering)
    if missing:
        raise DataError(
            f"{source}: no photo of class '{min(missing)}': every class needs a golden sample: add one, or "
            "name the data set that was trained on"
        )
    chosen = [*covering.values(), *(s for s in ranked if s not in covering.values())][
        : max(PARITY_CROPS, len(covering))
    ]
    data_set: DataSet = replace(labelled, samples=tuple(chosen))
    crops = load_crops(data_set, checkpoint.config.size, "Reading photos")
    return _Examples(crops, [sample.name for sample in chosen])


def _parity(network: CartonNet, exported: Runner, crops: Pixels) -> tuple[Parity, NDArray[np.float32]]:
    trained = run_network(network, crops)
    answered = in_batches(exported, crops)
    difference = np.abs(trained.logits - answered.logits)
    parity = Parity(
        n=len(crops),
        max_logit_difference=float(difference.max()),
        mean_logit_difference=float(difference.mean()),
        min_embedding_cosine=float(_cosines(trained.embedding, answered.embedding).min()),
        top1_agreement=float((trained.logits.argmax(axis=1) == answered.logits.argmax(axis=1)).mean()),
    )
    return parity, answered.logits


def _cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    result: NDArray[np.float32] = (one * other).sum(axis=1) / np.maximum(lengths, 1e-12)
    return result


def _refuse_difference(out: Path, parity: Parity) -> None:
    if parity.max_logit_difference > MAX_LOGIT_DIFFERENCE or parity.top1_agreement < 1:
        raise BundleError(
            f"{out}: not written: the exported model differs from the trained one by "
            f"{parity.max_logit_difference:.2g} (allowed: {MAX_LOGIT_DIFFERENCE:.0e}), same class on "
            f"{100 * parity.top1_agreement:.1f} % of {parity.n} crops: report this with the versions of torch and onnx"
        )


def _golden(
    checkpoint: Checkpoint, examples: _Examples, logits: NDArray[np.float32]
) -> tuple[list[GoldenSample], list[Pixels]]:
    """One crop for each class, with the outputs that the exported model gave here."""
    names = [info.name for info in checkpoint.classes]
    samples, crops = [], []
    for number, label in enumerate(names):
        index = examples.names.index(label)
        row = logits[index]
        samples.append(
            GoldenSample(
                file=f"golden/{number}.png",
                label=label,
                top1=names[int(row.argmax())],
                logits=tuple(round(float(value), 5) for value in row),
            )
        )
        crops.append(examples.crops[index])
    return samples, crops


def _manifest(checkpoint: Checkpoint, network: CartonNet, name: str, version: str, created: datetime) -> Manifest:
    config = checkpoint.config
    return Manifest(
        name=name,
        version=version,
        created=created.isoformat(),
        precision="fp32",
        opset=OPSET,
        input=InputSpec(size=config.size),
        classes=checkpoint.classes,
        calibration=checkpoint.calibration,
        prototypes=tuple(tuple(round(float(x), 5) for x in row) for row in checkpoint.prototypes),
        metrics=checkpoint.metrics,
        pixels=checkpoint.pixels,
        parity=Parity(n=1, max_logit_difference=0, mean_logit_difference=0, min_embedding_cosine=1, top1_agreement=1),
        golden_tolerance=GOLDEN_TOLERANCE,
        training=Training(
            architecture=config.arch + ("+rmcsam" if config.rmcsam else ""),
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            config=config.model_dump(mode="json") | _names_only(config),
            data_sha256=checkpoint.data_sha256,
            photos=checkpoint.photos,
            versions=checkpoint.versions,
        ),
        members={},
    )


def _names_only(config: TrainConfig) -> dict[str, str]:
    """A bundle names no path of the machine that made it."""
    return {"init": Path(config.init).name, "teacher": Path(config.teacher).name}


def _created() -> datetime:
    """Now, or the time that SOURCE_DATE_EPOCH gives (https://reproducible-builds.org), in whole seconds of UTC."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        moment = datetime.fromtimestamp(int(given), UTC) if given else datetime.now(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"SOURCE_DATE_EPOCH = '{given}': not a time: set it to seconds since 1970") from error
    return moment.replace(microsecond=0)
