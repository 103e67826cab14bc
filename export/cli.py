"""The `kardus-export` command. Only `build` needs torch and onnx."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from edge_agent.bundle import Bundle, read_bundle
from edge_agent.console import err, missing_extra, new_app, out, print_json
from edge_agent.contract.manifest import Precision
from edge_agent.errors import UsageError
from export.keys import list_keys, make_key, read_key
from export.verify import verify

app = new_app("Turn a trained model into a bundle that the agent can trust.")
keys_app = new_app("Make and list the keys that sign bundles.")
app.add_typer(keys_app, name="keys")

BundleArgument = Annotated[Path, typer.Argument(help="A .bundle file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("build")
def build_command(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder, or a checkpoint.")],
    out_file: Annotated[Path, typer.Option("--out", help="The bundle to write: NAME.bundle.")],
    precision: Annotated[Precision, typer.Option(help="Of weights and arithmetic.")] = "fp32",
    data: Annotated[
        Path | None, typer.Option(help="Data set to compare and judge on; by default the one that was trained on.")
    ] = None,
    calibrate: Annotated[
        Path | None, typer.Option(help="Photos to measure 8-bit ranges on; by default trained ones.")
    ] = None,
    max_drop: Annotated[
        float, typer.Option(min=0, max=100, help="Points of accuracy by class that a lower precision may lose.")
    ] = 0.5,
    name: Annotated[str | None, typer.Option(help="The model's name; by default the file's.")] = None,
    version: Annotated[str, typer.Option(help="The model's version, three numbers.")] = "1.0.0",
    sign: Annotated[list[Path] | None, typer.Option(help="Private key to sign with; may be given again.")] = None,
) -> None:
    """Export CHECKPOINT, compare it with the trained model on real crops, and pack and sign the bundle."""
    try:
        from export.build import build  # noqa: PLC0415 - the other commands run without torch
        from export.lower import Wanted  # noqa: PLC0415
    except ModuleNotFoundError as error:
        missing_extra("kardus-export build", "export", error.name)
        return
    if out_file.suffix != ".bundle":
        raise UsageError(f"--out {out_file}: the name must end in .bundle")
    keys = [read_key(path) for path in sign or []]
    wanted = Wanted(precision, max_drop, data, calibrate)
    with err.status("Exporting") as status:

        def told(step: str) -> None:
            status.update(step)
            if not err.is_terminal or "points lost" in step:
                err.print(step, soft_wrap=True, highlight=False)

        manifest = build(checkpoint, out_file, wanted=wanted, name=name, version=version, keys=keys, told=told)
    parity = manifest.parity
    out.print(
        f"{out_file}: {out_file.stat().st_size / 1e6:.2f} MB; on {parity.n} crops the largest logit difference is "
        f"{parity.max_logit_difference:.1e}, same class on {100 * parity.top1_agreement:.1f} %",
        soft_wrap=True,
    )
    if not keys:
        err.print("note: not signed: an agent refuses it unless allow_unsigned = true", soft_wrap=True)


@app.command("verify")
def verify_command(
    bundle: BundleArgument,
    trust: Annotated[list[str] | None, typer.Option(help="Public key that must have signed it.")] = None,
) -> None:
    """Check structure, hashes, signatures, golden samples and repeatability of BUNDLE."""
    table = Table("checked", "found", title=str(bundle), title_justify="left")
    for check in verify(bundle, tuple(trust or ())):
        table.add_row(check.what, check.found)
    out.print(table)


@app.command("inspect")
def inspect_command(bundle: BundleArgument, as_json: JsonOption = False) -> None:
    """Show what BUNDLE knows, how it was made, and what to expect of it."""
    read = read_bundle(bundle)
    if as_json:
        print_json({**read.manifest.model_dump(mode="json"), "signed_by": list(read.signed_by)})
        return
    out.print(_facts(read))
    classes = Table("class", "SKU", "category", "face")
    for info in read.manifest.classes:
        classes.add_row(info.name, info.sku, info.category, info.face)
    out.print(classes)


@keys_app.command("make")
def make_command(
    name: Annotated[str, typer.Argument(help="Name of the key, for its files.")],
    folder: Annotated[Path, typer.Option("--dir", help="Folder for NAME.key and NAME.pub.")] = Path(),
) -> None:
    """Make a key pair. Keep NAME.key secret; put the public key into the agents' model.trust."""
    private, text = make_key(folder, name)
    out.print(f"private key: {private}\npublic key:  {text}", soft_wrap=True, highlight=False)


@keys_app.command("list")
def list_command(
    folder: Annotated[Path, typer.Option("--dir", help="Folder with the keys.")] = Path(),
    as_json: JsonOption = False,
) -> None:
    """List the keys in a folder."""
    found = list_keys(folder)
    if as_json:
        print_json([{"name": n, "public": key, "private_here": private} for n, key, private in found])
        return
    table = Table("name", "public key", "private key here")
    for key_name, public, private in found:
        table.add_row(key_name, public, "yes" if private else "no")
    out.print(table)


def _facts(bundle: Bundle) -> Table:
    manifest = bundle.manifest
    table = Table(title=bundle.title, title_justify="left", show_header=False)
    rows = {
        "network": f"{manifest.training.architecture}, {manifest.training.parameters / 1e6:.2f} M parameters",
        "input": f"{manifest.input.size} x {manifest.input.size} px, uint8 RGB, resize {manifest.input.resize}",
        "precision": f"{manifest.precision}, ONNX opset {manifest.opset}, {len(bundle.model) / 1e6:.2f} MB",
        "made": manifest.created,
        "trained on": f"{manifest.training.photos} photos, SHA-256 {manifest.training.data_sha256[:16]}...",
        "parity": f"{manifest.parity.max_logit_difference:.1e} largest logit difference on {manifest.parity.n} crops",
        "calibration": f"temperature {manifest.calibration.temperature:.2f}, unknown below "
        f"{manifest.calibration.rejection_threshold:.2f}, fitted on {manifest.calibration.n} photos",
        "signed by": ", ".join(bundle.signed_by) or "nobody",
    }
    if manifest.pixels:
        points = (f"{100 * p.accuracy.value:.0f} % at {p.side_px} px" for p in manifest.pixels)
        rows["held out, by pixels"] = ", ".join(points)
    for m in manifest.metrics:
        rows[f"held out, by {m.name}"] = f"{100 * m.value:.1f} % ({100 * m.low:.1f} to {100 * m.high:.1f}, n = {m.n})"
    for key, value in rows.items():
        table.add_row(key, value)
    return table
