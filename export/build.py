"""Builds a bundle from a checkpoint, and refuses to write one that doesn't answer as the trained model does."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from export.bundle_writer import list_members, members_of, png, write_bundle
from export.golden import choose_golden
from export.lower_precision import LowerModel, Wanted, lower
from export.manifest import describe
from export.onnx_graph import to_onnx, with_metadata
from export.parity import compare, refuse_difference
from export.photo_selection import Crops, examples
from kardus.contract.manifest import NAME_PATTERN, VERSION_PATTERN, Manifest
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier, RawOutputs
from kardus.support.errors import UsageError
from kardus.support.files import require_file_target
from train.evaluation.outputs import run_network
from train.networks.checkpoint import load_checkpoint

FP32 = Wanted("fp32", max_drop=0)


def build(
    checkpoint_path: Path,
    out: Path,
    *,
    wanted: Wanted = FP32,
    name: str | None = None,
    version: str = "1.0.0",
    keys: Sequence[Ed25519PrivateKey] = (),
    told: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Export, compare with the trained model on real crops through the agent's own classifier, and pack.

    Args:
        checkpoint_path: a run's folder or a checkpoint.
        out: the bundle to write.
        wanted: the precision, and the data set to compare on; by default the one that was trained on.
        name: the model's name; by default the file's.
        version: three numbers.
        keys: private keys to sign with; none leaves the bundle unsigned.
        told: hears of every step.

    Raises:
        DataError: the checkpoint or the data set cannot be read.
        UsageError: a name can't be used, or no photo is left to judge a lower precision by.
        BundleError: the exported model answers otherwise than the trained one, or loses more than it may.
    """
    require_file_target("--out", out)
    _check_names(name or out.stem, version)
    checkpoint = load_checkpoint(checkpoint_path)
    network = checkpoint.model()
    manifest = describe(checkpoint, network, name or out.stem, version, wanted.precision)
    shown = examples(checkpoint, wanted.data)

    def run(model: bytes, crops: Crops) -> RawOutputs:
        return Classifier(Bundle(str(out), manifest, model, (), {}, ())).run(crops.pixels)

    told("exporting the graph")
    model = to_onnx(network, checkpoint.config.size)
    if wanted.precision != "fp32":
        low = lower(checkpoint_path, checkpoint, model, wanted, run=run, told=told)
        model, manifest = low.model, _measured_again(manifest, low)
    model = with_metadata(model, manifest)
    told(f"comparing with the trained model on {len(shown)} crops")
    exported = run(model, shown)
    parity = compare(run_network(network, shown.pixels), exported)
    if wanted.precision == "fp32":
        refuse_difference(out, parity)
    golden, crops = choose_golden([info.name for info in checkpoint.classes], shown, exported.logits)
    members = members_of(model, golden, [png(crop) for crop in crops])
    complete = manifest.model_copy(update={"parity": parity, "members": list_members(members)})
    write_bundle(out, complete, members, keys)
    return complete


def _measured_again(manifest: Manifest, low: LowerModel) -> Manifest:
    """With what was measured in the lower precision; accuracy by pixels was in FP32 alone."""
    found = {"calibration": low.calibration, "metrics": (low.found.accuracy,), "lower_precision": low.found}
    return manifest.model_copy(update=found | {"pixels": ()})


def _check_names(name: str, version: str) -> None:
    for option, value, pattern, remedy in (
        ("--name", name, NAME_PATTERN, "use letters, digits, '.', '_' and '-'"),
        ("--version", version, VERSION_PATTERN, "use three numbers, such as 1.2.0"),
    ):
        if not re.fullmatch(pattern, value):
            raise UsageError(f"{option} '{value}': can't be used: {remedy}")
