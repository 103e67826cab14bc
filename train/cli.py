"""The `kardus-train` command."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from edge_agent.console import err, new_app, out, print_json
from edge_agent.contract.manifest import Metric
from edge_agent.errors import UsageError
from edge_agent.files import require_file_target
from train.config import TrainConfig, make_config
from train.data import SPLITS, read_data
from train.evaluation import Evaluation, Rejection, evaluate, measure_rejection, write_predictions
from train.fit import fit
from train.loop import Epoch
from train.networks.backbones import ARCHITECTURES
from train.predictor import open_predictor

app = new_app("Train a carton classifier on photos, and measure it.")
_DEFAULTS = TrainConfig()

DataArgument = Annotated[
    Path, typer.Argument(help="A folder with labels.csv, a folder of class folders, or a .csv or .xlsx file.")
]


@app.command("fit")
def fit_command(
    data: DataArgument,
    out_dir: Annotated[Path, typer.Option("--out", help="The new run's folder.")],
    arch: Annotated[str, typer.Option(help=f"Network: {', '.join(ARCHITECTURES)}.")] = _DEFAULTS.arch,
    size: Annotated[int, typer.Option(help="Width and height of the network's input, in pixels.")] = _DEFAULTS.size,
    epochs: Annotated[int, typer.Option(help="How often every photo is seen.")] = _DEFAULTS.epochs,
    rmcsam: Annotated[bool, typer.Option("--rmcsam", help="Add the RMCSAM attention module.")] = _DEFAULTS.rmcsam,
    pooling: Annotated[str, typer.Option(help="avg or gem.")] = _DEFAULTS.pooling,
    dropout: Annotated[float, typer.Option(help="Dropout before the head.")] = _DEFAULTS.dropout,
    batch: Annotated[int, typer.Option(help="Photos a step.")] = _DEFAULTS.batch,
    lr: Annotated[float, typer.Option(help="Highest learning rate (AdamW, warm-up and cosine).")] = _DEFAULTS.lr,
    weight_decay: Annotated[float, typer.Option(help="Weight decay (AdamW).")] = _DEFAULTS.weight_decay,
    label_smoothing: Annotated[float, typer.Option(help="Label smoothing.")] = _DEFAULTS.label_smoothing,
    cutmix: Annotated[
        float, typer.Option(help="How often a batch is mixed with boxes of other photos.")
    ] = _DEFAULTS.cutmix,
    outliers: Annotated[
        float, typer.Option(help="Share of each batch repeated in false colours, to be doubted.")
    ] = _DEFAULTS.outliers,
    precision: Annotated[
        str, typer.Option(help="auto, 32 or bf16: auto computes in bfloat16 where the device has it.")
    ] = _DEFAULTS.precision,
    val_fraction: Annotated[
        float, typer.Option(help="Share held out where the data set marks no split.")
    ] = _DEFAULTS.val_fraction,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = _DEFAULTS.seed,
) -> None:
    """Train on the train split of DATA; measure on its val split; write the run to --out."""
    config = make_config(
        arch=arch,
        size=size,
        epochs=epochs,
        rmcsam=rmcsam,
        pooling=pooling,
        dropout=dropout,
        batch=batch,
        lr=lr,
        weight_decay=weight_decay,
        label_smoothing=label_smoothing,
        cutmix=cutmix,
        outliers=outliers,
        precision=precision,
        val_fraction=val_fraction,
        seed=seed,
    )
    if arch not in ARCHITECTURES:
        raise UsageError(f"--arch {arch}: not known: use one of {', '.join(ARCHITECTURES)}")
    quiet_libraries()
    with _progress() as progress:
        checkpoint = fit(data, out_dir, config, _on_epoch(progress, config.epochs), _note)
    for metric in checkpoint.metrics:
        out.print(f"Held-out accuracy: {percent(metric)}")
    out.print(f"Run written to {out_dir}", soft_wrap=True)


@app.command("evaluate")
def evaluate_command(
    model: Annotated[Path, typer.Argument(help="A run's folder, a checkpoint, or a .bundle file.")],
    data: DataArgument,
    split: Annotated[str, typer.Option(help="train, val, test, or all.")] = "all",
    unknown: Annotated[
        Path | None, typer.Option(help="Photos of things that are none of the classes: how many are rejected?")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write path, name, predicted, confidence, score here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure MODEL on DATA: accuracy by class, SKU and category with 95 % intervals, calibration, rejection."""
    if split not in (*SPLITS, "all"):
        raise UsageError(f"--split {split}: use one of {', '.join(SPLITS)}, all")
    if predictions:
        require_file_target("--predictions", predictions)
    predictor = open_predictor(model)
    data_set = read_data(data)
    result = evaluate(predictor, data_set, split)
    rejection = measure_rejection(predictor, result, unknown) if unknown else None
    if predictions:
        write_predictions(predictions, result.predictions)
    for note in (*data_set.notes, *_evaluation_notes(result)):
        _note(note)
    if as_json:
        print_json(evaluation_json(result, rejection))
    else:
        _print_tables(result, rejection)


def evaluation_json(result: Evaluation, rejection: Rejection | None) -> dict[str, Any]:
    """The figures of an evaluation, for programs."""
    content: dict[str, Any] = {
        "accuracy": {level: metric.model_dump() for level, metric in result.overall.items()},
        "by_class": [metric.model_dump() for metric in result.by_class],
        "by_sku": [metric.model_dump() for metric in result.by_sku],
        "by_category": [metric.model_dump() for metric in result.by_category],
        "calibration_error": result.calibration_error,
        "calibrated_on_these": result.calibrated_on_these,
        "trained_on_these": result.trained_on_these,
        "left_out": result.left_out,
    }
    if rejection:
        content["rejection"] = {
            "auroc": rejection.auroc,
            "rejected": rejection.rejected.model_dump(),
            "false_alarms": rejection.false_alarms.model_dump(),
        }
    return content


def _evaluation_notes(result: Evaluation) -> list[str]:
    notes = [
        f"class '{name}' is not known to the model: its {count} photos are left out"
        for name, count in result.left_out.items()
    ]
    if result.trained_on_these:
        notes.append(f"the model was trained on {result.trained_on_these} of these photos: --split val leaves them out")
    return notes


def _note(text: str) -> None:
    err.print(f"note: {text}", highlight=False, soft_wrap=True)


def percent(metric: Metric) -> str:
    """A share for people: per cent, its 95 % interval and n."""
    return f"{100 * metric.value:.1f} % (95 %: {100 * metric.low:.1f} to {100 * metric.high:.1f}, n = {metric.n})"


def quiet_libraries() -> None:
    """Keep notices of libraries that a user can do nothing about off the screen."""
    logging.getLogger("lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    return Progress(*columns, TimeRemainingColumn(), console=err, disable=not err.is_terminal)


def _on_epoch(progress: Progress, epochs: int) -> Callable[[Epoch], None]:
    task = progress.add_task("Training", total=epochs)

    def show(epoch: Epoch) -> None:
        text = f"loss {epoch.train_loss:.3f}, held out {100 * epoch.val_accuracy:.1f} %"
        progress.update(task, advance=1, description=text)
        if not err.is_terminal:
            err.print(f"epoch {epoch.epoch}/{epochs}: {text}, {epoch.seconds:.0f} s")

    return show


def _print_tables(result: Evaluation, rejection: Rejection | None) -> None:
    for title, metrics in (("class", result.by_class), ("SKU", result.by_sku), ("category", result.by_category)):
        if title == "SKU" and result.by_sku == result.by_class:
            continue
        table = Table(title=f"By {title}", title_justify="left")
        table.add_column(title)
        for column in ("right", "95 % interval", "n"):
            table.add_column(column, justify="right")
        for m in metrics:
            table.add_row(m.name, f"{100 * m.value:.1f} %", f"{100 * m.low:.1f} to {100 * m.high:.1f}", str(m.n))
        out.print(table)
    for level, metric in result.overall.items():
        out.print(f"Right by {level}: {percent(metric)}")
    flattered = " (the temperature was fitted on these photos)" if result.calibrated_on_these else ""
    out.print(f"Calibration error: {100 * result.calibration_error:.1f} %{flattered}")
    if rejection:
        out.print(f"Unknown rejected: {percent(rejection.rejected)}, AUROC {rejection.auroc:.3f}")
        out.print(f"Known rejected by mistake: {percent(rejection.false_alarms)}")
