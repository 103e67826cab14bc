"""The `kardus-train` command.

What needs torch, or more than the base installation, is imported by the commands that need it: torch takes seconds.
"""

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from kardus.contract.manifest import Metric
from kardus.support.console import err, new_app, out, print_json, table_of, with_resume_hint
from kardus.support.errors import UsageError
from kardus.support.files import require_file_target
from kardus.support.memory import keep_freed
from train.config import ComputePrecision, make_config
from train.data.check import DataReport, Severity, check_data
from train.data.class_folders import SPLIT_NAMES
from train.data.data_set import SPLITS, read_data
from train.data.proposals import left_out_note
from train.options import given_options, with_config_options
from train.recipe import DEFAULT, read_recipe, recipe_names
from train.run_display import RunDisplay

if TYPE_CHECKING:
    from train.evaluation.evaluation import Evaluation, Rejection
    from train.evaluation.predictor import ModelOrigin
    from train.evaluation.selective_classification import McNemar

app = new_app("Train a carton classifier on photos, and measure it.")


DataArgument = Annotated[
    Path, typer.Argument(help="A folder with labels.csv, a folder of class folders, or a .csv or .xlsx file.")
]


@app.command("fit")
@with_config_options
def fit_command(
    context: typer.Context,
    data: DataArgument,
    out_dir: Annotated[Path, typer.Option("--out", help="The new run's folder.")],
    recipe: Annotated[
        str,
        typer.Option(help=f"Where the other values come from: {', '.join(recipe_names())}, a .toml file, a run."),
    ] = DEFAULT,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the interrupted run in --out.")] = False,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust-proposed",
            help="Train on unconfirmed proposals too, except those that out-of-fold predictions contradict.",
        ),
    ] = False,
    **options: Any,
) -> None:
    """Train on the train split of DATA, evaluate on its val split, write the run to --out.

    Under torchrun (torchrun --nproc-per-node 2 -m train fit ...) training is distributed over processes or devices.
    """
    config = make_config(**read_recipe(recipe) | given_options(context))

    from train.devices import process_rank  # noqa: PLC0415 - see the module
    from train.fitting.fit import fit  # noqa: PLC0415
    from train.fitting.progress import ProgressCallbacks  # noqa: PLC0415
    from train.fitting.run_folder import is_used  # noqa: PLC0415
    from train.networks.backbones import require_known  # noqa: PLC0415
    from train.study.cross_fit import cross_fit  # noqa: PLC0415
    from train.study.proposal_filter import trust_proposed  # noqa: PLC0415

    require_known(config.arch)
    _prepare_training()
    with _progress() as progress:
        display = RunDisplay(progress, out_dir)
        shown = ProgressCallbacks(display.epoch, display.note, display.batch)
        callbacks = shown if process_rank() == 0 else ProgressCallbacks()
        try:
            source = trust_proposed(data, out_dir, config, callbacks, resume=resume) if trust else data
            run = cross_fit if config.folds else fit
            checkpoint = run(source, out_dir, config, callbacks, resume=resume or trust)
        except KeyboardInterrupt:
            display.interrupted(is_stored=is_used(out_dir))
            raise
    if process_rank() == 0:
        before = " of the network before its refit" if checkpoint.refitted else ""
        for metric in checkpoint.metrics:
            out.print(f"Held-out accuracy{before}: {percent(metric)}")
        out.print(f"Run written to {out_dir}", soft_wrap=True)


@app.command("evaluate")
def evaluate_command(
    model: Annotated[Path, typer.Argument(help="A run's folder, a checkpoint, or a .bundle file.")],
    data: DataArgument,
    split: Annotated[str, typer.Option(help="train, val, test, or all.")] = "all",
    unknown: Annotated[
        Path | None, typer.Option(help="Out-of-distribution photos, of none of the classes: how many are rejected?")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write path, name, predicted, confidence, score here.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="Another model to compare with on the same photos (McNemar's test).")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page with pictures here (one file, .html).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Evaluate MODEL on DATA: accuracy by class, SKU and category (95 % intervals), calibration, unknown rejection."""
    chosen = _split(split)
    _require_file_targets({"--predictions": predictions, "--report": report})
    from train.evaluation import evaluation as measured  # noqa: PLC0415 - see the module
    from train.evaluation.evaluation_report import write_evaluation  # noqa: PLC0415
    from train.evaluation.predictor import open_predictor  # noqa: PLC0415

    predictor = open_predictor(model)
    data_set = read_data(data)
    result = measured.evaluate(predictor, data_set, chosen)
    rejection = measured.measure_rejection(predictor, result, unknown) if unknown else None
    other = measured.evaluate(open_predictor(against), data_set, chosen) if against else None
    compared = measured.compare(result, other) if other else None
    if predictions:
        measured.write_predictions(predictions, result.predictions)
    if report:
        write_evaluation(report, f"{model.name} on {data.name}", predictor, result, rejection)
    unfinished, of_unknown = predictor.origin.unfinished, rejection.notes if rejection else ()
    of_data = (*data_set.notes, *of_unknown, *left_out_note(data, data_set.proposals))
    for note in (*_unfinished_note(model, unfinished), *of_data, *_evaluation_notes(result, predictor.origin)):
        _note(note)
    if as_json:
        content = evaluation_json(result, rejection, unfinished)
        content |= {"against": vars(compared)} if compared else {}
        print_json(content)
        return
    _print_tables(result, rejection)
    if compared:
        _print_comparison(against, compared)


def _split(named: str) -> str:
    """The split that is meant: as it may be called in a table and as a folder, too."""
    found = (SPLIT_NAMES | {"all": "all"}).get(named.strip().lower())
    if found is None:
        raise UsageError(f"--split {named}: use one of {', '.join(SPLITS)}, all")
    return found


def _require_file_targets(named: dict[str, Path | None]) -> None:
    for option, target in named.items():
        if target:
            require_file_target(option, target)


def _unfinished_note(model: Path, unfinished: str) -> list[str]:
    return [f"{model}: its run is unfinished: {unfinished}; these are figures of what it is now"] if unfinished else []


def _print_comparison(against: Path | None, compared: "McNemar") -> None:
    out.print(
        f"Right where {against} is wrong: {compared.only_first}; the reverse: {compared.only_second}; "
        f"McNemar's p = {compared.p:.3f}"
    )


@app.command("check-data")
def check_data_command(
    data: DataArgument,
    html: Annotated[Path | None, typer.Option(help="Write a page with thumbnails here (one file, .html).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check DATA for problems: unreadable, few, small, near-duplicate or indistinguishable photos, leakage.

    Exit code 1 if there is an error.
    """
    if html:
        require_file_target("--html", html)
    data_set = read_data(data, photos_must_exist=False, proposals_suffice=True)
    with _progress() as progress:
        task = progress.add_task("Checking photos", total=len(data_set.samples))
        checked = check_data(data_set, lambda: progress.advance(task))
    if html:
        from train.data.check_report import write_data_report  # noqa: PLC0415 - see the module

        write_data_report(html, checked)
    if as_json:
        print_json(_check_json(checked))
    else:
        _print_check(checked)
    if not checked.sound:
        raise typer.Exit(1)


@app.command("study")
def study_command(
    data: DataArgument,
    out_dir: Annotated[Path, typer.Option("--out", help="The study's folder; an interrupted study in it is resumed.")],
    quick: Annotated[bool, typer.Option("--quick", help="Scale the runs down for a CPU.")] = False,
    standin: Annotated[
        str,
        typer.Option(
            "--init-standin",
            help="Initial weights (a run, a file) in place of ImageNet's; the tables name them.",
        ),
    ] = "",
    precision: Annotated[
        ComputePrecision | None,
        typer.Option("--precision", help="auto, 32 or bf16 (default: 32, as the study had it; auto with --quick)."),
    ] = None,
    arch: Annotated[
        str, typer.Option(help="Another network than the study's ResNet, such as timm:tf_efficientnet_lite0.")
    ] = "",
    size: Annotated[int | None, typer.Option(min=32, help="Pixels a side, in place of the study's 224.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="In place of the study's 60.")] = None,
) -> None:
    """Reproduce the founding study's eight runs under its own and under an honest protocol, beside its figures."""
    from train.fitting.progress import ProgressCallbacks  # noqa: PLC0415 - see the module
    from train.study.study import Study, run_study  # noqa: PLC0415
    from train.study.study_report import write_study  # noqa: PLC0415

    if arch:
        from train.networks.backbones import require_known  # noqa: PLC0415

        require_known(arch)
    _prepare_training()
    options = (
        " --quick" * quick
        + (f" --init-standin {Path(standin).name}" if standin else "")
        + (f" --precision {precision}" if precision else "")
        + (f" --arch {arch}" if arch else "")
        + (f" --size {size}" if size else "")
        + (f" --epochs {epochs}" if epochs else "")
    )
    study = Study(data, out_dir, quick, precision, standin, arch, size, epochs)
    with with_resume_hint(kept="what it has finished is kept; go on with"), _progress() as progress:
        display = RunDisplay(progress)
        for results in run_study(study, ProgressCallbacks(display.epoch, batch=display.batch), _note):
            page = write_study(study, results, f"kardus-train study {data.name} --out DIR{options}")
    out.print(f"Study written to {page}", soft_wrap=True)


def _check_json(checked: DataReport) -> dict[str, Any]:
    findings = [
        {"weight": f.weight, "what": f.what, "remedy": f.remedy, "photos": [str(s.path) for s in f.photos]}
        for f in checked.findings
    ]
    counts = {"photos": len(checked.data.samples), "proposals": len(checked.data.proposals)}
    return counts | {"readable": checked.readable, "findings": findings}


def _print_check(checked: DataReport) -> None:
    colours = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
    rows = [
        (
            Text(f.weight, colours[f.weight]),
            f.what,
            f.remedy,
            ", ".join(sample.path.name for sample in f.photos[:2]) + (", ..." if len(f.photos) > 2 else ""),  # noqa: PLR2004
        )
        for f in checked.findings
    ]
    if rows:
        out.print(table_of(("", "found", "what to do", "photos"), rows))
    result = "nothing must be mended" if checked.sound else "mend what is marked error"
    proposals = f", {len(checked.data.proposals)} proposals" * bool(checked.data.proposals)
    out.print(f"{len(checked.data.samples)} photos of {len(checked.data.classes)} classes{proposals}: {result}")


def evaluation_json(result: "Evaluation", rejection: "Rejection | None", unfinished: str = "") -> dict[str, Any]:
    """The metrics of an evaluation, as JSON content."""
    content: dict[str, Any] = {
        "accuracy": {level: metric.model_dump() for level, metric in result.overall.items()},
        "by_class": [metric.model_dump() for metric in result.by_class],
        "by_sku": [metric.model_dump() for metric in result.by_sku],
        "by_category": [metric.model_dump() for metric in result.by_category],
        "calibration_error": result.calibration_error,
        "calibration_error_without_temperature": result.error_without_temperature,
        "calibrated_on_these": result.calibrated_on_these,
        "trained_on_these": result.trained_on_these,
        "left_out": result.left_out,
        "unfinished": unfinished,
    }
    if rejection:
        content["rejection"] = {
            "auroc": rejection.auroc,
            "auroc_by_score": rejection.by_score,
            "rejected": rejection.rejected.model_dump(),
            "false_alarms": rejection.false_alarms.model_dump(),
            "taken": rejection.taken.model_dump(),
            "doubted": rejection.doubted.model_dump(),
        }
    return content


def _evaluation_notes(result: "Evaluation", origin: "ModelOrigin") -> list[str]:
    notes = [
        f"class '{name}' is not known to the model: its {count} photos are left out"
        for name, count in result.left_out.items()
    ]
    if result.trained_on_these:
        notes.append(f"the model was trained on {result.trained_on_these} of these photos: {_unseen(origin)}")
    return notes


def _unseen(origin: "ModelOrigin") -> str:
    """How a model is measured on photos that it hasn't learnt."""
    if origin.trained_on_all:
        return "none was held out: measure it on other photos"
    if origin.refitted:
        return "for those that were held out, evaluate its run's measured.ckpt, from before the refit, with --split val"
    return "--split val leaves them out"


def _note(text: str) -> None:
    err.print(f"note: {text}", highlight=False, soft_wrap=True)


def percent(metric: Metric) -> str:
    """A proportion as text: per cent, its 95 % interval and n."""
    return f"{100 * metric.value:.1f} % (95 %: {100 * metric.low:.1f} to {100 * metric.high:.1f}, n = {metric.n})"


def quiet_libraries() -> None:
    """Silence notices of libraries that a user can do nothing about."""
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")


def _prepare_training() -> None:
    quiet_libraries()
    keep_freed()


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    return Progress(*columns, TimeRemainingColumn(), console=err, disable=not err.is_terminal)


def _print_tables(result: "Evaluation", rejection: "Rejection | None") -> None:
    figures = ("right", "95 % interval", "n")
    for title, metrics in (("class", result.by_class), ("SKU", result.by_sku), ("category", result.by_category)):
        if title == "SKU" and result.by_sku == result.by_class:
            continue
        rows = (
            (m.name, f"{100 * m.value:.1f} %", f"{100 * m.low:.1f} to {100 * m.high:.1f}", str(m.n)) for m in metrics
        )
        out.print(table_of((title, *figures), rows, f"By {title}", figures))
    for level, metric in result.overall.items():
        out.print(f"Right by {level}: {percent(metric)}")
    flattered = " (the temperature was fitted on these photos)" if result.calibrated_on_these else ""
    out.print(
        f"Calibration error: {100 * result.calibration_error:.1f} %{flattered}, "
        f"{100 * result.error_without_temperature:.1f} % without the temperature"
    )
    if rejection:
        out.print(f"Unknown rejected: {percent(rejection.rejected)}, AUROC {rejection.auroc:.3f}")
        others = ", ".join(f"{kind} {value:.3f}" for kind, value in rejection.by_score.items())
        out.print(f"AUROC of each rejection score: {others}")
        out.print(f"Known rejected by mistake: {percent(rejection.false_alarms)}")
        out.print(f"Unknown taken for a product: {percent(rejection.taken)}")
        out.print(f"Known, named rightly and surely, but rejected or doubted: {percent(rejection.doubted)}")
