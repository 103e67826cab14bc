"""An evaluation as one page that a warehouse manager can read, with the pictures behind the figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_agent.contract.manifest import Metric
from edge_agent.files import write_whole
from train.data import DataSet, read_data
from train.evaluation import Evaluation, Prediction, Rejection, evaluate
from train.pages import page, photo, plot, table
from train.photos import load_crops
from train.plots import confusion_plot, over_photo, risk_plot
from train.predictor import Predictor, open_predictor
from train.selective import risk_coverage

WORST = 16
"""The most photos that are shown."""


def write_evaluation(path: Path, title: str, model: Predictor, result: Evaluation, rejection: Rejection | None) -> None:
    """Write the page, whole or not at all."""
    names = [info.name for info in model.classes]
    position = {name: index for index, name in enumerate(names)}
    truth = [position[p.sample.name] for p in result.predictions]
    answers = [position[p.answer.name] for p in result.predictions]
    confidence = np.array([p.answer.confidence for p in result.predictions])
    curve = risk_coverage(confidence, np.array(truth) == np.array(answers))
    parts = [
        f"<p class='lead'>{_lead(result)}</p>",
        *(f"<section class='warning'><p>{text}</p></section>" for text in _cautions(result)),
        table(("figure", "value", "95 % interval", "n"), _figures(result, rejection)),
        "<h2>Where it is wrong</h2>",
        *_worst(model, result.predictions),
        plot(confusion_plot(truth, answers, names), "which class is taken for which"),
        "<h2>When it may say that it is unsure</h2>",
        plot(risk_plot(curve), "wrong answers among those that are kept"),
        *(_level(title, metrics) for title, metrics in _levels(result)),
    ]
    write_whole(path, page(title, parts))


def report_run(run: Path, source: Path) -> None:
    """Write `report.html` into a run's folder: the run on the photos that were held out of it."""
    model = open_predictor(run)
    result = evaluate(model, read_data(source), "val")
    write_evaluation(run / "report.html", f"{run.name} on the photos held out of {source.name}", model, result, None)


def _lead(result: Evaluation) -> str:
    metric = result.overall["sku"]
    wrong = metric.n - round(metric.value * metric.n)
    return (
        f"Of {metric.n} photos, the right product was named on {metric.n - wrong}. On photos like these, expect "
        f"between {100 * (1 - metric.high):.1f} and {100 * (1 - metric.low):.1f} wrong answers in a hundred."
    )


def _cautions(result: Evaluation) -> list[str]:
    notes = []
    if result.trained_on_these:
        notes.append(f"The model was trained on {result.trained_on_these} of these photos: every figure here flatters.")
    if result.calibrated_on_these:
        notes.append("Its confidence was adjusted on some of these photos: the calibration error flatters.")
    if result.left_out:
        notes.append(f"Left out, because the model doesn't know them: {', '.join(result.left_out)}.")
    return notes


def _figures(result: Evaluation, rejection: Rejection | None) -> list[tuple[str, str, str, str]]:
    rows = [(f"right by {level}", *_share(metric)) for level, metric in result.overall.items()]
    rows.append(("calibration error", f"{100 * result.calibration_error:.1f} %", "", ""))
    if rejection:
        rows.append(("unknown things rejected", *_share(rejection.rejected)))
        rows.append(("known cartons rejected by mistake", *_share(rejection.false_alarms)))
    return rows


def _share(metric: Metric) -> tuple[str, str, str]:
    return f"{100 * metric.value:.1f} %", f"{100 * metric.low:.1f} to {100 * metric.high:.1f}", str(metric.n)


def _worst(model: Predictor, predictions: Sequence[Prediction]) -> list[str]:
    """The photos that are wrong with the greatest confidence, with what the network looked at."""
    wrong = sorted((p for p in predictions if p.answer.name != p.sample.name), key=lambda p: -p.answer.confidence)
    if not wrong:
        return ["<p>Nowhere, on these photos.</p>"]
    shown = wrong[:WORST]
    crops = load_crops(DataSet(Path(), tuple(p.sample for p in shown), ()), model.size_px, "Reading photos")
    parts = [f"<p>{len(wrong)} photos; the most confident first. Red is what the answer rests on.</p>"]
    for prediction, crop, evidence in zip(shown, crops, model.evidence(crops), strict=True):
        answer = prediction.answer
        caption = f"{prediction.sample.name} taken for {answer.name} ({100 * answer.confidence:.0f} %)"
        parts.append(photo(over_photo(crop, evidence), caption))
    return parts


def _levels(result: Evaluation) -> list[tuple[str, tuple[Metric, ...]]]:
    levels = [("category", result.by_category), ("class", result.by_class)]
    return levels if result.by_sku == result.by_class else [*levels[:1], ("SKU", result.by_sku), *levels[1:]]


def _level(name: str, metrics: Sequence[Metric]) -> str:
    rows = [(m.name, *_share(m)) for m in sorted(metrics, key=lambda m: m.value)]
    return f"<h2>By {name}, the weakest first</h2>" + table((name, "right", "95 % interval", "n"), rows)
