"""Builds a bundle from a checkpoint, and refuses to write one without parity with the trained model."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from export.build_time import build_time
from export.bundle_writer import members_of, png, write_bundle
from export.golden import choose_golden, golden_samples
from export.lower_precision import LowPrecisionModel, PrecisionTarget, lower
from export.onnx_graph import OPSET, to_onnx, with_metadata
from export.parity import measure_parity, refuse_difference
from export.photo_selection import Crops, examples
from export.portable_graph import PORTABLE_OPSET, to_portable
from kardus.contract.manifest import (
    NAME_PATTERN,
    VERSION_PATTERN,
    GraphForm,
    InputSpec,
    Manifest,
    Parity,
    Precision,
    Training,
)
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier
from kardus.inference.preprocess import Pixels
from kardus.inference.raw_outputs import RawOutputs
from kardus.inference.tolerances import OF_PRECISION
from kardus.support.errors import UsageError
from kardus.support.files import require_file_target
from train.config import TrainConfig
from train.evaluation.outputs import run_network
from train.networks.carton import CartonNet
from train.networks.checkpoint import Checkpoint, load_checkpoint, require_finished

_NOT_COMPARED = Parity(n=1, max_logit_difference=0, mean_logit_difference=0, min_embedding_cosine=1, top1_agreement=1)
FP32 = PrecisionTarget("fp32", max_drop=0)


@dataclass(frozen=True)
class ExportedNetwork:
    """A network that was exported, and compared with the trained one."""

    model: bytes
    manifest: Manifest
    """Without members."""
    logits: NDArray[np.float32]
    """(N, classes): its answers to the examples."""


def build(
    checkpoint_path: Path,
    out: Path,
    *,
    target: PrecisionTarget = FP32,
    form: GraphForm = "complete",
    name: str | None = None,
    version: str = "1.0.0",
    keys: Sequence[Ed25519PrivateKey] = (),
    unfinished: bool = False,
    on_step: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Export, check parity with the trained model on real crops in the agent's own classifier, and write the bundle.

    Args:
        checkpoint_path: a run's folder or a checkpoint.
        out: the bundle to write.
        target: the precision, and the data set to compare on; by default the one that was trained on.
        form: of the graph; `portable` is for converters (`kardus-export convert`), in fp32 alone.
        name: the model's name; by default the file's.
        version: three numbers.
        keys: private keys to sign with; none leaves the bundle unsigned.
        unfinished: take the network of a run that is still going on, or was interrupted, as it is now.
        on_step: called with a line on every step.

    Raises:
        DataError: the checkpoint or the data set cannot be read.
        UsageError: a name can't be used, or no photo is left to evaluate a lower precision on.
        BundleError: the exported model differs from the trained one, or loses more accuracy than allowed.
    """
    require_file_target("--out", out)
    _check_names(name or out.stem, version)
    _check_form(form, target)
    checkpoint = _finished(checkpoint_path, unfinished=unfinished)
    shown = examples(checkpoint, target.data)
    described = _describe(checkpoint, checkpoint.model(), name or out.stem, version, target.precision, form=form)
    network = _export(checkpoint_path, checkpoint, described, out=out, target=target, shown=shown, on_step=on_step)
    return write_bundle(out, network.manifest, _members(network, shown), keys)


def _members(network: ExportedNetwork, shown: Crops) -> dict[str, bytes]:
    """The bundle's files but the manifest: the network, and its golden samples."""
    labels = [info.name for info in network.manifest.classes]
    chosen = choose_golden(labels, shown.names, network.logits)
    return members_of(
        network.model,
        golden_samples(labels, network.logits[chosen]),
        [png(shown.pixels[index]) for index in chosen],
    )


def _export(
    run: Path,
    checkpoint: Checkpoint,
    manifest: Manifest,
    *,
    out: Path,
    target: PrecisionTarget,
    shown: Crops,
    on_step: Callable[[str], None],
) -> ExportedNetwork:
    """The network in its precision, compared with the trained one.

    Raises:
        BundleError: it differs, or loses more accuracy than allowed.
    """
    on_step("exporting the graph")
    network = checkpoint.model()
    model = (to_onnx if manifest.form == "complete" else to_portable)(network, checkpoint.config.size)
    if target.precision != "fp32":
        low = lower(run, checkpoint, model, target, run=partial(_run, out, manifest), on_step=on_step)
        model, manifest = low.model, _measured_again(manifest, low)
    model = with_metadata(model, manifest)
    on_step(f"comparing with the trained model on {len(shown)} crops")
    exported = _run(out, manifest, model, shown.pixels)
    parity = measure_parity(run_network(network, shown.pixels), exported)
    if target.precision == "fp32":
        refuse_difference(out, parity)
    return ExportedNetwork(model, manifest.model_copy(update={"parity": parity}), exported.logits)


def _run(out: Path, manifest: Manifest, model: bytes, crops: Pixels) -> RawOutputs:
    """A model's outputs in the agent's own classifier; `out` names it in errors."""
    return Classifier(Bundle(str(out), manifest, model, (), {}, ())).run(crops)


def _check_form(form: GraphForm, target: PrecisionTarget) -> None:
    if form == "portable" and target.precision != "fp32":
        raise UsageError(f"--form portable --precision {target.precision}: build it in fp32; converters lower it")


def _finished(path: Path, *, unfinished: bool) -> Checkpoint:
    checkpoint = load_checkpoint(path)
    return checkpoint if unfinished else require_finished(path, checkpoint, "; --unfinished takes it as it is")


def _measured_again(manifest: Manifest, low: LowPrecisionModel) -> Manifest:
    """The manifest with the metrics of the lower precision; accuracy by resolution was measured in FP32 alone."""
    found = {"calibration": low.calibration, "metrics": (low.found.accuracy,), "lower_precision": low.found}
    return manifest.model_copy(update=found | {"pixels": ()})


def _check_names(name: str, version: str) -> None:
    for option, value, pattern, remedy in (
        ("--name", name, NAME_PATTERN, "use letters, digits, '.', '_' and '-'"),
        ("--version", version, VERSION_PATTERN, "use three numbers, such as 1.2.0"),
    ):
        if not re.fullmatch(pattern, value):
            raise UsageError(f"{option} '{value}': can't be used: {remedy}")


def _describe(
    checkpoint: Checkpoint, network: CartonNet, name: str, version: str, precision: Precision, *, form: GraphForm
) -> Manifest:
    """The manifest of a model before the parity check, with no members."""
    config, statistics = checkpoint.config, network.statistics
    return Manifest(
        name=name,
        version=version,
        created=build_time().isoformat(),
        precision=precision,
        form=form,
        opset=OPSET if form == "complete" else PORTABLE_OPSET,
        input=InputSpec(size=config.size, mean=_rounded(statistics.mean), std=_rounded(statistics.std)),
        classes=checkpoint.classes,
        calibration=checkpoint.calibration,
        prototypes=tuple(tuple(round(float(x), 5) for x in row) for row in checkpoint.prototypes),
        metrics=checkpoint.metrics,
        pixels=checkpoint.pixels,
        parity=_NOT_COMPARED,
        golden_tolerance=OF_PRECISION[precision],
        training=Training(
            architecture=config.arch + ("+rmcsam" if config.rmcsam else ""),
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            config=config.model_dump(mode="json") | _names_only(config) | _refit_done(checkpoint),
            data_sha256=checkpoint.data_sha256,
            photos=checkpoint.photos,
            versions=checkpoint.versions,
        ),
        members={},
    )


def _rounded(channels: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = (round(value, 4) for value in channels)  # without what 32 bits add
    return red, green, blue


def _refit_done(checkpoint: Checkpoint) -> dict[str, float]:
    """A refit that was refused, or isn't done yet, has taught the network nothing."""
    return {} if checkpoint.refitted else {"refit": 0.0}


def _names_only(config: TrainConfig) -> dict[str, str]:
    """File names without their folders: a bundle has no path of the machine that made it."""
    return {"init": Path(config.init).name, "teacher": Path(config.teacher).name}
