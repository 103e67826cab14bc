"""An evaluation as a self-contained HTML page that a warehouse manager can read, with the misclassified photos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kardus.contract.manifest import Metric, PixelAccuracy
from kardus.support.files import write_whole
from train.data.data_set import DataSet
from train.data.photos import load_crops
from train.data.proposals_report import proposals_of
from train.evaluation.evaluation import Evaluation, Prediction, Rejection, evaluate
from train.evaluation.plots import confusion_plot, over_photo, pixel_plot, risk_plot
from train.evaluation.predictor import Predictor
from train.evaluation.selective_classification import risk_coverage
from train.html_page import CaptionedCrop, render

PROTOCOLS = {
    "honest": "Honest protocol: bursts grouped, photos split before augmentation.",
    "founding": "Founding protocol: photos copied first, then split.",
}
_FOUNDING = (
    "Copies of these very photos were trained on, as in the founding study: every figure here flatters. "
    "Use --protocol honest to know what to expect of a warehouse."
)
WORST = 16
"""How many misclassified photos are shown at most."""


def write_evaluation(
    path: Path,
    title: str,
    model: Predictor,
    result: Evaluation,
    rejection: Rejection | None,
    *,
    pixels: Sequence[PixelAccuracy] = (),
    proposals: dict[str, Any] | None = None,
    caution: str = "",
) -> None:
    """Write the page, whole or not at all.

    Args:
        path: the page.
        title: of it.
        model: what was evaluated.
        result: on photos of known classes.
        rejection: of others.
        pixels: the accuracy by resolution.
        proposals: of `proposals_of`.
        caution: what else whoever reads the figures must know.
    """
    names = [info.name for info in model.classes]
    position = {name: index for index, name in enumerate(names)}
    truth = [position[p.sample.name] for p in result.predictions]
    answers = [position[p.answer.name] for p in result.predictions]
    confidence = np.array([p.answer.confidence for p in result.predictions])
    wrong = [p for p in result.predictions if p.answer.name != p.sample.name]
    page = render(
        "evaluation/evaluation_report.html.jinja",
        title=title,
        lead=_lead(result),
        protocol=PROTOCOLS[model.origin.protocol],
        cautions=[*_cautions(model, result), *([caution] if caution else [])],
        figures=_figures(result, rejection),
        wrong=len(wrong),
        worst=_worst(model, wrong),
        confusion=confusion_plot(truth, answers, names),
        risk=risk_plot(risk_coverage(confidence, np.array(truth) == np.array(answers))),
        pixels=pixel_plot(pixels) if pixels else None,
        pixel_rows=[(point.side_px, *format_proportion(point.accuracy)) for point in pixels],
        levels=[(name, _weakest_first(metrics)) for name, metrics in _levels(result)],
        proposals=proposals,
    )
    write_whole(path, page)


def report_run(run: Path, data: DataSet, model: Predictor, pixels: Sequence[PixelAccuracy], caution: str = "") -> None:
    """Write `report.html` into a run's folder: the evaluation on its held-out photos.

    Under the founding protocol there are none: it reports on the training photos, and says so.
    """
    held_out = any(sample.split == "val" for sample in data.samples)
    result = evaluate(model, data, "val" if held_out else "all")
    of = "the photos held out of" if held_out else "the photos of"
    title = f"{run.name} on {of} {data.source.name}"
    page, proposals = run / "report.html", proposals_of(run)
    write_evaluation(page, title, model, result, None, pixels=pixels, proposals=proposals, caution=caution)


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
    rows = [(f"right by {level}", *format_proportion(metric)) for level, metric in result.overall.items()]
    rows.append(("calibration error", f"{100 * result.calibration_error:.1f} %", "", ""))
    rows.append(("the same without the temperature", f"{100 * result.error_without_temperature:.1f} %", "", ""))
    if rejection:
        rows.append(("unknown things rejected", *format_proportion(rejection.rejected)))
        rows.append(("known cartons rejected by mistake", *format_proportion(rejection.false_alarms)))
    return rows


def format_proportion(metric: Metric) -> tuple[str, str, str]:
    """A proportion in per cent, its interval, and n."""
    return f"{100 * metric.value:.1f} %", f"{100 * metric.low:.1f} to {100 * metric.high:.1f}", str(metric.n)


def _worst(model: Predictor, wrong: Sequence[Prediction]) -> list[CaptionedCrop]:
    """The most confident misclassifications, each with its class activation map."""
    shown = sorted(wrong, key=lambda prediction: -prediction.answer.confidence)[:WORST]
    if not shown:
        return []
    crops = load_crops(DataSet(Path(), tuple(p.sample for p in shown), ()), model.size_px, "Reading photos")
    captions = (f"{p.sample.name} taken for {p.answer.name} ({100 * p.answer.confidence:.0f} %)" for p in shown)
    evidence = model.outputs(crops).evidence
    return [(over_photo(*looked), caption) for *looked, caption in zip(crops, evidence, captions, strict=True)]


def _levels(result: Evaluation) -> list[tuple[str, tuple[Metric, ...]]]:
    levels = [("category", result.by_category), ("class", result.by_class)]
    return levels if result.by_sku == result.by_class else [*levels[:1], ("SKU", result.by_sku), *levels[1:]]


def _weakest_first(metrics: Sequence[Metric]) -> list[tuple[str, ...]]:
    return [(m.name, *format_proportion(m)) for m in sorted(metrics, key=lambda m: m.value)]
