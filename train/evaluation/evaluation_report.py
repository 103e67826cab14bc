"""An evaluation as one page that a warehouse manager can read, with the pictures behind the figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kardus.contract.manifest import Metric, PixelAccuracy
from kardus.support.files import write_whole
from train.data.data_set import DataSet
from train.data.photos import load_crops
from train.data.proposals_report import proposals_parts
from train.evaluation.evaluation import Evaluation, Prediction, Rejection, evaluate
from train.evaluation.plots import confusion_plot, over_photo, pixel_plot, risk_plot
from train.evaluation.predictor import Predictor
from train.evaluation.selective import risk_coverage
from train.pages import page, photo, plot, table

_PROTOCOLS = {
    "honest": "Honest protocol: bursts grouped, photos split first, then changed.",
    "founding": "Founding protocol: photos copied first, then split.",
}
_FOUNDING = (
    "Copies of these very photos were trained on, as in the founding study: every figure here flatters. "
    "Use --protocol honest to know what to expect of a warehouse."
)
WORST = 16
"""The most photos that are shown."""


def write_evaluation(
    path: Path,
    title: str,
    model: Predictor,
    result: Evaluation,
    rejection: Rejection | None,
    *,
    pixels: Sequence[PixelAccuracy] = (),
    more: Sequence[str] = (),
) -> None:
    """Write the page, whole or not at all; `pixels` says how accuracy falls with them, `more` are further parts."""
    names = [info.name for info in model.classes]
    position = {name: index for index, name in enumerate(names)}
    truth = [position[p.sample.name] for p in result.predictions]
    answers = [position[p.answer.name] for p in result.predictions]
    confidence = np.array([p.answer.confidence for p in result.predictions])
    curve = risk_coverage(confidence, np.array(truth) == np.array(answers))
    parts = [
        f"<p class='lead'>{_lead(result)}</p>",
        f"<p>{_PROTOCOLS[model.origin.protocol]}</p>",
        *(f"<section class='warning'><p>{text}</p></section>" for text in _cautions(model, result)),
        table(("figure", "value", "95 % interval", "n"), _figures(result, rejection)),
        "<h2>Where it is wrong</h2>",
        *_worst(model, result.predictions),
        plot(confusion_plot(truth, answers, names), "which class is taken for which"),
        "<h2>When it may say that it is unsure</h2>",
        plot(risk_plot(curve), "wrong answers among those that are kept"),
        *_pixels(pixels),
        *(_level(title, metrics) for title, metrics in _levels(result)),
        *more,
    ]
    write_whole(path, page(title, parts))


def report_run(run: Path, data: DataSet, model: Predictor, pixels: Sequence[PixelAccuracy]) -> None:
    """Write `report.html` into a run's folder: the run on the photos that were held out of it.

    Under the founding protocol nothing was: it reports on the photos that were trained on, and says so.
    """
    held_out = any(sample.split == "val" for sample in data.samples)
    result = evaluate(model, data, "val" if held_out else "all")
    of = "the photos held out of" if held_out else "the photos of"
    title = f"{run.name} on {of} {data.source.name}"
    write_evaluation(run / "report.html", title, model, result, None, pixels=pixels, more=proposals_parts(run))


def _lead(result: Evaluation) -> str:
    metric = result.overall["sku"]
    wrong = metric.n - round(metric.value * metric.n)
    return (
        f"Of {metric.n} photos, the right product was named on {metric.n - wrong}. On photos like these, expect "
        f"between {100 * (1 - metric.high):.1f} and {100 * (1 - metric.low):.1f} wrong answers in a hundred."
    )


def _cautions(model: Predictor, result: Evaluation) -> list[str]:
    notes = [_FOUNDING] if model.origin.protocol == "founding" else []
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
    rows.append(("the same without the temperature", f"{100 * result.error_without_temperature:.1f} %", "", ""))
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
    for prediction, crop, evidence in zip(shown, crops, model.outputs(crops).evidence, strict=True):
        answer = prediction.answer
        caption = f"{prediction.sample.name} taken for {answer.name} ({100 * answer.confidence:.0f} %)"
        parts.append(photo(over_photo(crop, evidence), caption))
    return parts


def _pixels(points: Sequence[PixelAccuracy]) -> list[str]:
    if not points:
        return []
    rows = [(str(point.side_px), *_share(point.accuracy)) for point in points]
    return [
        "<h2>How many pixels a carton needs</h2>",
        plot(pixel_plot(points), "accuracy over the pixels of a crop's shorter side"),
        table(("pixels", "right by class", "95 % interval", "n"), rows),
    ]


def _levels(result: Evaluation) -> list[tuple[str, tuple[Metric, ...]]]:
    levels = [("category", result.by_category), ("class", result.by_class)]
    return levels if result.by_sku == result.by_class else [*levels[:1], ("SKU", result.by_sku), *levels[1:]]


def _level(name: str, metrics: Sequence[Metric]) -> str:
    rows = [(m.name, *_share(m)) for m in sorted(metrics, key=lambda m: m.value)]
    return f"<h2>By {name}, the weakest first</h2>" + table((name, "right", "95 % interval", "n"), rows)
