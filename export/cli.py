"""The `kardus-export` command. Only `build` needs torch and onnx."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.status import Status

from export.answering import answer_request
from export.bench import bench
from export.bundle_diff import agreement, diff_bundles
from export.bundle_facts import facts_table
from export.bundle_writer import sign_again
from export.convert.convert import convert
from export.convert.targets import TargetName
from export.enroll import Enrolled, enroll, retire
from export.keys import list_keys, make_key, read_key
from export.options import class_info, next_release, require_bundle_name
from export.photo_checks import check_answers, check_parity
from export.verify import verify
from kardus.contract.enrolment import ANSWER
from kardus.contract.manifest import EMPTY_CLASS, GraphForm, Parity, Precision, class_name
from kardus.inference.bundle import read_bundle
from kardus.inference.preprocess import Pixels
from kardus.inference.providers import ON_CPU, parse_provider
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.console import (
    err,
    missing_extra,
    new_app,
    out,
    print_json,
    print_result,
    table_of,
    with_resume_hint,
)
from kardus.support.errors import ProviderError, UsageError
from kardus.support.files import require_file_target
from train.data.data_set import read_data
from train.data.photos import load_crops

app = new_app("Turn a trained model into a bundle that the agent can trust.")
keys_app = new_app("Make and list the keys that sign bundles.")
app.add_typer(keys_app, name="keys")

BundleArgument = Annotated[Path, typer.Argument(help="A .bundle file.")]
OutOption = Annotated[Path, typer.Option("--out", help="The bundle to write: NAME.bundle.")]
VersionOption = Annotated[str, typer.Option(help="The new version, three numbers; by default one minor step up.")]
FormOption = Annotated[
    GraphForm,
    typer.Option(help="portable: float NCHW, one crop at a time, no evidence: for `convert`, in fp32 alone."),
]
SignOption = Annotated[list[Path] | None, typer.Option(help="Private key to sign with; may be given again.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("build")
def build_command(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder, or a checkpoint.")],
    out_file: OutOption,
    precision: Annotated[Precision, typer.Option(help="Precision of weights and arithmetic.")] = "fp32",
    data: Annotated[
        Path | None,
        typer.Option(help="Data set for parity and for evaluating a lower precision; by default the training one."),
    ] = None,
    calibrate: Annotated[
        Path | None, typer.Option(help="Photos to calibrate the int8 ranges on; by default training photos.")
    ] = None,
    max_drop: Annotated[
        float,
        typer.Option(min=0, max=100, help="Percentage points of accuracy by class that a lower precision may lose."),
    ] = 0.5,
    name: Annotated[str | None, typer.Option(help="The model's name; by default the file's.")] = None,
    version: Annotated[str, typer.Option(help="The model's version, three numbers.")] = "1.0.0",
    form: FormOption = "complete",
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Take the network of a run that isn't finished, as it is now.")
    ] = False,
    sign: SignOption = None,
) -> None:
    """Export CHECKPOINT, check parity with the trained model on real crops, and write and sign the bundle."""
    try:
        from export.build import build  # noqa: PLC0415 - the other commands run without torch
        from export.lower_precision import PrecisionTarget  # noqa: PLC0415
    except ModuleNotFoundError as error:
        missing_extra("kardus-export build", "export", error.name)
    require_bundle_name(out_file)
    keys = [read_key(path) for path in sign or []]
    target = PrecisionTarget(precision, max_drop, data, calibrate)
    with with_resume_hint(out_file), err.status("Exporting") as status:
        manifest = build(
            checkpoint,
            out_file,
            target=target,
            form=form,
            name=name,
            version=version,
            keys=keys,
            unfinished=unfinished,
            on_step=partial(_show_step, status),
        )
    _show_built(out_file, manifest.parity)
    _note_unsigned(sign)


def _show_built(out_file: Path, parity: Parity) -> None:
    out.print(
        f"{out_file}: {out_file.stat().st_size / 1e6:.2f} MB; on {parity.n} crops the largest logit difference is "
        f"{parity.max_logit_difference:.1e}, same class on {100 * parity.top1_agreement:.1f} %",
        soft_wrap=True,
    )


def _show_step(status: Status, step: str) -> None:
    status.update(step)
    if not err.is_terminal or "points lost" in step:
        err.print(step, soft_wrap=True, highlight=False)


@app.command("verify")
def verify_command(
    bundle: BundleArgument,
    trust: Annotated[list[str] | None, typer.Option(help="Public key that must have signed it.")] = None,
    provider: Annotated[
        list[str] | None,
        typer.Option(
            help="Execution provider to run it on: NAME[,device=D][,precision=P][,KEY=VALUE]; may be given again, for "
            "a fall-back. By default the processor."
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Labelled photos to evaluate it on.")] = None,
    run: Annotated[
        Path | None,
        typer.Option(help="The run that it was built from, to check parity with on these photos; needs torch."),
    ] = None,
) -> None:
    """Check structure, hashes, signatures, golden samples and repeatability of BUNDLE, and its accuracy on photos."""
    if run is not None and data is None:
        raise UsageError("--run: needs photos to compare on: name them with --data")
    providers = tuple(parse_provider(text, "--provider") for text in provider or ()) or ON_CPU
    try:
        checks = verify(bundle, tuple(trust or ()), providers)
    except ProviderError as error:
        raise UsageError(f"--provider: {error}") from error
    if data is not None:
        read, photos = read_bundle(bundle), read_data(data)
        crops = load_crops(photos, read.manifest.input.size, "Reading photos")
        checks.append(check_answers(read, photos, crops))
        if run is not None:
            checks.append(check_parity(read, _trained(run), crops))
    out.print(table_of(("checked", "found"), ((check.what, check.found) for check in checks), str(bundle)))


@app.command("inspect")
def inspect_command(bundle: BundleArgument, as_json: JsonOption = False) -> None:
    """Show BUNDLE's classes, training, calibration and metrics."""
    read = read_bundle(bundle)
    rows = ((info.name, info.sku, info.category, info.face) for info in read.manifest.classes)
    classes = table_of(("class", "SKU", "category", "face"), rows)
    content = {**read.manifest.model_dump(mode="json"), "signed_by": list(read.signed_by)}
    print_result(content, facts_table(read), classes, as_json=as_json)


@app.command("enroll")
def enroll_command(
    bundle: BundleArgument,
    photos: Annotated[list[Path], typer.Argument(help="Photos of the new product, or folders of them.")],
    name: Annotated[str, typer.Option("--name", help="The new class.")],
    out_file: OutOption,
    sku: Annotated[str, typer.Option(help="Its SKU; by default its name.")] = "",
    category: Annotated[str, typer.Option(help="Its category; by default that of the nearest class.")] = "",
    gtin: Annotated[str, typer.Option(help="Its GTIN.")] = "",
    variant: Annotated[str, typer.Option(help="Its variant, such as the flavour.")] = "",
    face: Annotated[str, typer.Option(help="Which face of the carton the photos show.")] = "",
    version: VersionOption = "",
    sign: SignOption = None,
) -> None:
    """Add a new product to BUNDLE from a few photos, in seconds and without training."""
    read = read_bundle(bundle)
    info = class_info(name=name, sku=sku or name, category=category, gtin=gtin, variant=variant, face=face)
    with with_resume_hint(out_file):
        done = enroll(read, info, photos, next_release(read, out_file, version, sign))
    out.print(
        f"{out_file}: '{info.name}' from {done.photos} photos, version {done.manifest.version}; "
        f"most like '{done.nearest}'",
        soft_wrap=True,
        highlight=False,
    )
    _warn_of(done)
    for note in done.notes:
        err.print(f"note: {note}", soft_wrap=True, highlight=False)
    _note_unsigned(sign)


@app.command("answer")
def answer_command(
    request: Annotated[Path, typer.Argument(help="The folder that kardus-wms labels request has made.")],
    bundle: BundleArgument,
    version: VersionOption = "",
    sign: SignOption = None,
) -> None:
    """Enrol the product that REQUEST asks for into BUNDLE; new bundle and answer.json are written into REQUEST."""
    read = read_bundle(bundle)
    release = next_release(read, request / bundle.name, version, sign)
    release = replace(release, out=request / f"{read.manifest.name}-{release.version}.bundle")
    with with_resume_hint(request / ANSWER, "no answer was written; begin again with"):
        answer, done = answer_request(request, read, release)
    told = f"{release.out}: '{done.manifest.classes[-1].name}' from {done.photos} photos, version {answer.version}"
    out.print(f"{told}; most like '{answer.nearest}'", soft_wrap=True, highlight=False)
    _warn_of(done)
    _note_unsigned(sign)


@app.command("retire")
def retire_command(
    bundle: BundleArgument,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Classes to take out.")],
    out_file: OutOption,
    version: VersionOption = "",
    sign: SignOption = None,
) -> None:
    """Take products out of BUNDLE: their cartons are unknown from now on."""
    read = read_bundle(bundle)
    names = list(dict.fromkeys(class_name(name) for name in names))
    with with_resume_hint(out_file):
        manifest = retire(read, names, next_release(read, out_file, version, sign))
    if EMPTY_CLASS in names:
        err.print(f"warning: without '{EMPTY_CLASS}' an agent never reports an empty location", highlight=False)
    out.print(
        f"{out_file}: without {', '.join(names)}, version {manifest.version}; {len(manifest.classes)} classes stay",
        soft_wrap=True,
        highlight=False,
    )
    _note_unsigned(sign)


@app.command("diff")
def diff_command(
    first: Annotated[Path, typer.Argument(help="A .bundle file.")],
    second: Annotated[Path, typer.Argument(help="The one to take its place.")],
    data: Annotated[Path | None, typer.Option(help="Photos to compare their predictions on.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two bundles: classes, metrics, and predictions on the same photos."""
    one, other = read_bundle(first), read_bundle(second)
    found = diff_bundles(one, other)
    if data is not None:
        photos = read_data(data)
        sizes = (one.manifest.input.size, other.manifest.input.size)
        crops = [load_crops(photos, size, "Reading photos") for size in sizes]
        found = replace(found, agreement=agreement(one, other, *crops))
        paths = [str(sample.path) for sample in photos.samples]
    if as_json:
        print_json(asdict(found))
        return
    own = ("classes of its own", ", ".join(found.went) or "none", ", ".join(found.came) or "none")
    rows = [*((what, *values) for what, values in found.facts.items()), own]
    out.print(table_of(("", str(first), str(second)), rows))
    if found.agreement:
        out.print(f"same product on {100 * found.agreement.same_product:.1f} % of {found.agreement.n} photos")
        for index, before, after in found.agreement.changed:
            out.print(f"{paths[index]}: {before} -> {after}", soft_wrap=True, highlight=False)


@app.command("convert")
def convert_command(
    bundle: BundleArgument,
    to: Annotated[TargetName, typer.Option(help="The runtime to convert it for.")],
    out_folder: Annotated[Path, typer.Option("--out", help="The new folder for the files and their report.json.")],
    python: Annotated[
        str, typer.Option(help="The Python of the environment that has the toolkit; by default this one.")
    ] = "",
    chip: Annotated[str, typer.Option(help="rknn: which chip, such as rk3588 (the default) or rk3566.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Convert BUNDLE, built with --form portable, for another runtime, and compare the two on its golden crops."""
    with with_resume_hint(out_folder), err.status(f"Converting to {to}"):
        report = convert(read_bundle(bundle), to, out_folder, python=python, chip=chip)
    rows = {
        "toolkit": ", ".join(f"{name} {version}" for name, version in report.toolkit.items()),
        "files": ", ".join(f"{name} ({size / 1e6:.2f} MB)" for name, size in report.files.items()),
        "input": report.input,
        "same class": f"on {report.same_class} of {report.crops} crops",
        "largest difference": f"{report.max_logit_difference:.1e} (logits), {report.max_embedding_difference:.1e} "
        "(embedding)",
    }
    print_result(asdict(report), table_of((), rows.items(), str(out_folder)), as_json=as_json)


@app.command("bench")
def bench_command(
    bundle: BundleArgument,
    threads: Annotated[int, typer.Option(min=0, help="Processor threads; 0 leaves the choice to onnxruntime.")] = 0,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Crops at a time.")] = 8,
    seconds: Annotated[float, typer.Option(min=0, help="How long to measure.")] = 10.0,
    as_json: JsonOption = False,
) -> None:
    """Benchmark BUNDLE on this machine, beside onnxruntime alone."""
    speeds = bench(read_bundle(bundle), threads, batch, seconds)
    rows = ((s.what, f"{s.p50_ms:.1f} ms", f"{s.p99_ms:.1f} ms", f"{s.crops_per_s:.1f}") for s in speeds)
    columns = ("", "batch p50", "batch p99", "crops a second")
    table = table_of(columns, rows, f"{bundle}, batches of {batch}")
    print_result([asdict(speed) for speed in speeds], table, as_json=as_json)


@keys_app.command("make")
def make_command(
    name: Annotated[str, typer.Argument(help="Name of the key, for its files.")],
    folder: Annotated[Path, typer.Option("--dir", help="Folder for NAME.key and NAME.pub.")] = Path(),
) -> None:
    """Make a key pair. Keep NAME.key secret; put the public key into the agents' model.trust."""
    private, text = make_key(folder, name)
    out.print(f"private key: {private}\npublic key:  {text}", soft_wrap=True, highlight=False)


@keys_app.command("rotate")
def rotate_command(
    bundle: BundleArgument,
    out_file: OutOption,
    sign: Annotated[list[Path], typer.Option(help="Private key to sign with too; may be given again.")],
    drop: Annotated[
        list[str] | None, typer.Option(help="Public key whose signature is removed; may be given again.")
    ] = None,
) -> None:
    """Sign BUNDLE with another key too, so that agents can be moved from one key to the next."""
    require_bundle_name(out_file)
    require_file_target("--out", out_file)
    signed_by = sign_again(bundle, out_file, [read_key(path) for path in sign], drop or [])
    out.print(f"{out_file}: signed by {', '.join(signed_by)}", soft_wrap=True, highlight=False)


@keys_app.command("list")
def list_command(
    folder: Annotated[Path, typer.Option("--dir", help="Folder with the keys.")] = Path(),
    as_json: JsonOption = False,
) -> None:
    """List the keys in a folder."""
    found = list_keys(folder)
    rows = ((name, public, "yes" if private else "no") for name, public, private in found)
    content = [{"name": name, "public": public, "private_here": private} for name, public, private in found]
    print_result(content, table_of(("name", "public key", "private key here"), rows), as_json=as_json)


def _trained(run: Path) -> Callable[[Pixels], RawOutputs]:
    """The trained network of a run."""
    try:
        from train.evaluation.outputs import run_network  # noqa: PLC0415 - the other commands run without torch
        from train.networks.checkpoint import load_checkpoint  # noqa: PLC0415
    except ModuleNotFoundError as error:
        missing_extra("kardus-export verify --run", "export", error.name)
    network = load_checkpoint(run).model()
    return lambda crops: run_network(network, crops)


def _warn_of(done: Enrolled) -> None:
    """Warn of products that the new one may be confused with."""
    new = done.manifest.classes[-1].name
    lines = []
    if done.confused:
        of = f"{done.confused} of {done.photos}"
        lines.append(f"{of} photos would be taken for another product, such as '{done.confused_with}'")
    if done.takes:
        lines.append(f"cartons of {', '.join(done.takes)} are now taken for '{new}'")
    for line in lines:
        err.print(
            f"warning: {line}: they are too close to be told apart so: add photos, or train with them",
            soft_wrap=True,
            highlight=False,
        )


def _note_unsigned(sign: list[Path] | None) -> None:
    if not sign:
        err.print("note: not signed: an agent refuses it unless allow_unsigned = true", soft_wrap=True)
