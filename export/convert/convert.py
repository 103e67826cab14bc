"""Converts a portable bundle for another runtime, and reports how closely the converted model follows it."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from export.convert.targets import TARGETS, Runtime
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier, golden_crops
from kardus.inference.graph_forms import as_nchw
from kardus.inference.raw_outputs import RawOutputs
from kardus.support.errors import BundleError, UsageError

_WORKERS = Path(__file__).parent / "workers"
RUN_LIMIT_S = 1800
"""After so long a toolkit hangs."""
LOADING_LIMIT_S = 300.0
"""For loading one (importing its modules); TensorFlow takes its time on a small machine."""
_SILENT = {"CI": "true"}
"""openvino tells Google's servers of every import, and keeps an id in the home, unless it is a test machine's."""
_HOMES = ("HOME", "KERAS_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
"""A toolkit's own: keras writes its settings there as soon as it is imported, and obeys those that lie there."""


@dataclass(frozen=True)
class ConversionReport:
    """What was converted, and how closely it answers on the bundle's golden crops."""

    bundle: str
    """Name and version."""
    model_sha256: str
    """Of the ONNX file that was converted."""
    target: str
    toolkit: dict[str, str]
    """Versions, and the chip where there is one."""
    crops: int
    same_class: int
    """On how many of these crops both name the same class."""
    max_logit_difference: float
    max_embedding_difference: float
    files: dict[str, int]
    """The files that were made, and their sizes in bytes."""
    classes: list[str]
    """The class of each logit."""
    input: str


def convert(bundle: Bundle, target: str, out: Path, *, python: str = "", chip: str = "") -> ConversionReport:
    """Convert a bundle into a new folder, whole or not at all; `report.json` lies beside the files.

    Args:
        bundle: in the portable form.
        target: a key of `TARGETS`.
        out: the folder to make.
        python: the Python of the environment that has the toolkit, as a shell takes it: a path, or the name of one on
            the PATH; by default this one.
        chip: which chip, for a target that is made for one; empty: its usual one.

    Raises:
        UsageError: the bundle's form is another, the folder exists, the toolkit isn't there, or no chip is wanted.
        BundleError: the toolkit can't convert or run the model.
    """
    how = _require_usable(bundle, target, out, chip)
    interpreter = _program(python or sys.executable)
    crops = golden_crops(bundle)
    with _beside(out) as folder:
        expected = Classifier(_as_made(bundle)).run(crops)
        (folder / "model.onnx").write_bytes(bundle.model)
        np.save(folder / "crops.npy", as_nchw(crops))
        widths = {"logits": expected.logits.shape[1], "embedding": expected.embedding.shape[1]}
        (folder / "widths.json").write_text(json.dumps(widths))
        words = [chip or how.usual_chip] if how.usual_chip else []
        _require_toolkit(target, interpreter, folder)
        _run(bundle, target, [str(interpreter), "-I", str(_WORKERS / f"{target}_worker.py"), str(folder), *words])
        report = _report(bundle, target, folder, expected)
        (folder / "converted" / "report.json").write_text(
            json.dumps(asdict(report), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        (folder / "converted").rename(out)
    return report


@contextlib.contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A folder to work in, on the disk of the one that is to be made, which goes whatever happens."""
    try:
        made = tempfile.TemporaryDirectory(prefix="kardus-convert-", dir=out.absolute().parent)
    except OSError as error:
        reason = f"{out.parent} can't be written to ({error.strerror})"
        raise UsageError(f"--out {out}: {reason}: name another folder") from error
    with made as folder:
        yield Path(folder)


def _as_made(bundle: Bundle) -> Bundle:
    """The bundle with the classes of its graph's logits: what was enrolled or retired since isn't in the graph.

    Only the graph's own outputs are compared; the classes' names come from `changes`.
    """
    changes = bundle.manifest.changes
    if changes is None:
        return bundle
    first = bundle.manifest.classes[0]
    classes = tuple(first.model_copy(update={"name": name, "sku": name}) for name in changes.graph_classes)
    calibration = bundle.manifest.calibration.model_copy(update={"rejection_score": "max_logit"})
    found = {"classes": classes, "changes": None, "prototypes": (), "calibration": calibration}
    return replace(bundle, manifest=bundle.manifest.model_copy(update=found))


def _require_usable(bundle: Bundle, target: str, out: Path, chip: str) -> Runtime:
    how = TARGETS[target]
    if bundle.manifest.form != "portable":
        raise UsageError(
            f"{bundle.source}: not in the portable form: build it so (kardus-export build RUN --form portable)"
        )
    if chip and not how.usual_chip:
        raise UsageError(f"--chip {chip}: {target} isn't made for one chip: leave it out")
    if out.exists():
        raise UsageError(f"--out {out}: exists: name a new folder")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"--out {out}: the folder {out.parent} isn't there: make it")
    return how


def _program(interpreter: str) -> Path:
    """Where a program lies, whatever folder it is run in: a link stays one, since it says which environment it is."""
    found = shutil.which(interpreter)
    if found is None:
        raise UsageError(f"--python {interpreter}: is no program: name the Python of the toolkit's environment")
    return Path(found).absolute()


def _require_toolkit(target: str, interpreter: Path, folder: Path) -> None:
    how = TARGETS[target]
    command = [str(interpreter), "-I", "-c", f"import {', '.join(how.modules)}"]
    try:
        done = _completed(command, LOADING_LIMIT_S, folder)
    except subprocess.TimeoutExpired as error:
        raise UsageError(
            f"--to {target}: the toolkit in the environment of {interpreter} isn't loaded within "
            f"{LOADING_LIMIT_S:g} s: try it there by itself, or name another environment with --python"
        ) from error
    except OSError as error:
        raise UsageError(
            f"--python {interpreter}: can't be run ({error.strerror}): name the Python of the toolkit's environment"
        ) from error
    if done.returncode:
        raise UsageError(
            f"--to {target}: no toolkit in the environment of {interpreter} ({_last_line(done)}): {how.remedy}"
        )


def _run(bundle: Bundle, target: str, command: list[str]) -> None:
    """Let the toolkit work, in a process of its own environment."""
    folder = Path(command[3])
    try:
        done = _completed(command, RUN_LIMIT_S, folder)
    except subprocess.TimeoutExpired as error:
        raise BundleError(f"{bundle.source}: {target}'s toolkit took longer than {RUN_LIMIT_S} s: stopped") from error
    if done.returncode or not (folder / "answers.npz").exists():
        raise BundleError(f"{bundle.source}: {target}'s toolkit can't convert it: {_last_line(done)}")


def _completed(command: list[str], most_s: float, folder: Path) -> "subprocess.CompletedProcess[str]":
    """What a toolkit's program has come to; it and all that it has started end with the time.

    It runs in the folder, and keeps there what it would in the user's home.

    Raises:
        subprocess.TimeoutExpired: it took longer than `most_s` seconds.
        OSError: it is no program of this machine's.
    """
    (folder / "home").mkdir(exist_ok=True)
    homes = dict.fromkeys(_HOMES, str(folder / "home"))
    with subprocess.Popen(  # noqa: S603 - our own script, by the user's own Python
        command,
        cwd=folder,
        env=os.environ | _SILENT | homes,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            said, complained = process.communicate(timeout=most_s)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its children hold the pipes open
            raise
    return subprocess.CompletedProcess(command, process.returncode, said, complained)


def _last_line(done: "subprocess.CompletedProcess[str]") -> str:
    return (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]


def _report(bundle: Bundle, target: str, folder: Path, expected: RawOutputs) -> ConversionReport:
    with np.load(folder / "answers.npz") as answers:
        logits, embedding = answers["logits"], answers["embedding"]
    if (logits.shape, embedding.shape) != (expected.logits.shape, expected.embedding.shape):
        raise BundleError(f"{bundle.source}: {target} gives {logits.shape} logits, not {expected.logits.shape}")
    manifest, made = bundle.manifest, folder / "converted"
    names = manifest.changes.graph_classes if manifest.changes else tuple(info.name for info in manifest.classes)
    side = manifest.input.size
    return ConversionReport(
        bundle=bundle.title,
        model_sha256=hashlib.sha256(bundle.model).hexdigest(),
        target=target,
        toolkit=json.loads((folder / "versions.json").read_text()),
        crops=len(logits),
        same_class=int((logits.argmax(axis=1) == expected.logits.argmax(axis=1)).sum()),
        max_logit_difference=float(np.abs(logits - expected.logits).max()),
        max_embedding_difference=float(np.abs(embedding - expected.embedding).max()),
        files={path.name: path.stat().st_size for path in sorted(made.iterdir())},
        classes=list(names),
        input=TARGETS[target].input.format(side=side),
    )
