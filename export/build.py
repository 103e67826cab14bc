"""Builds a bundle from a checkpoint, and refuses to write one without parity with the trained model."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from export.build_time import build_time
from export.bundle_writer import members_of, png, small_members_of, write_bundle
from export.cascade import ExportedNetwork, fit_pair, require_pair, run_exported, with_small
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
class CascadeTarget:
    """The small network of a cascade."""

    run: Path
    """Its run's folder, or a checkpoint."""
    max_loss: float = 0.1
    """Percentage points of photos that it may call a match wrongly."""


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
    small: CascadeTarget | None = None,
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
        small: the small network of a cascade, in the same precision; None: the bundle holds one network.
        on_step: called with a line on every step.

    Raises:
        DataError: the checkpoint or the data set cannot be read.
        UsageError: a name can't be used, the networks don't fit each other, or no photo is left to evaluate a lower
            precision or a cascade on.
        BundleError: the exported model differs from the trained one, or loses more accuracy than allowed.
    """
    require_file_target("--out", out)
    _check_names(name or out.stem, version)
    _check_form(form, target, small)
    runs = [checkpoint_path, *([small.run] if small else [])]
    checkpoints = [_finished(run, unfinished=unfinished) for run in runs]
    require_pair(runs, checkpoints)
    shown, labels = examples(checkpoints[0], target.data), [info.name for info in checkpoints[0].classes]
    networks = []
    for run, checkpoint in zip(runs, checkpoints, strict=True):
        manifest = _describe(checkpoint, checkpoint.model(), name or out.stem, version, target.precision, form=form)
        networks.append(_export(run, checkpoint, manifest, out=out, target=target, shown=shown, on_step=on_step))
    manifest = networks[0].manifest
    if small:
        on_step("fitting what the small network answers")
        fit = fit_pair(runs, checkpoints, networks, target=target, max_loss=small.max_loss, out=out)
        manifest = with_small(manifest, networks[1].manifest, fit)
    return write_bundle(out, manifest, _members(networks, labels, shown), keys)


def _members(networks: Sequence[ExportedNetwork], labels: list[str], shown: Crops) -> dict[str, bytes]:
    """The bundle's files but the manifest: one network's, or both of a cascade, and their golden samples."""
    chosen = choose_golden(labels, shown.names, [network.logits for network in networks])
    golden = [golden_samples(labels, network.logits[chosen]) for network in networks]
    members = members_of(networks[0].model, golden[0], [png(shown.pixels[index]) for index in chosen])
    for network, samples in zip(networks[1:], golden[1:], strict=True):
        members |= small_members_of(network.model, samples)
    return members


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
    """One network in its precision, compared with the trained one.

    Raises:
        BundleError: it differs, or loses more accuracy than allowed.
    """
    on_step("exporting the graph")
    network, judged = checkpoint.model(), None
    model = (to_onnx if manifest.form == "complete" else to_portable)(network, checkpoint.config.size)
    if target.precision != "fp32":
        low = lower(run, checkpoint, model, target, run=partial(run_exported, out, manifest), on_step=on_step)
        model, manifest, judged = low.model, _measured_again(manifest, low), low.judged
    model = with_metadata(model, manifest)
    on_step(f"comparing with the trained model on {len(shown)} crops")
    exported = run_exported(out, manifest, model, shown.pixels)
    parity = measure_parity(run_network(network, shown.pixels), exported)
    if target.precision == "fp32":
        refuse_difference(out, parity)
    return ExportedNetwork(model, manifest.model_copy(update={"parity": parity}), exported.logits, judged)


def _check_form(form: GraphForm, target: PrecisionTarget, small: CascadeTarget | None) -> None:
    if form == "portable" and target.precision != "fp32":
        raise UsageError(f"--form portable --precision {target.precision}: build it in fp32; converters lower it")
    if form == "portable" and small:
        raise UsageError(f"--form portable --small {small.run}: converters take one network: leave out --small")


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
