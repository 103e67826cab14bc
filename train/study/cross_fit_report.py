"""The HTML page and the JSON metrics of a cross-validation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kardus.contract.manifest import ClassInfo
from kardus.support.files import write_whole
from train.config import TrainConfig
from train.data.proposals_report import proposals_of
from train.evaluation.cross_validation import SELECTIVE_ACCURACY, CrossValidation, Interval
from train.evaluation.evaluation_report import PROTOCOLS, format_proportion
from train.evaluation.plots import confusion_plot, risk_plot
from train.evaluation.selective_classification import risk_coverage
from train.html_page import render


def cross_validation_json(pooled: CrossValidation, config: TrainConfig) -> dict[str, Any]:
    """The metrics, as JSON content."""
    return {
        "protocol": config.protocol,
        "folds": config.folds,
        "seeds": config.seeds,
        "accuracy": {level: metric.model_dump() for level, metric in pooled.accuracy.items()},
        "calibration_error": pooled.after._asdict(),
        "calibration_error_without_temperature": pooled.before._asdict(),
        "coverage": pooled.coverage.model_dump(),
        "selective": pooled.selective.model_dump(),
    }


def write_cross_validation(path: Path, title: str, pooled: CrossValidation, classes: Sequence[ClassInfo]) -> None:
    """Write the page, whole or not at all."""
    n = pooled.accuracy["sku"].n
    asked = f"{100 * SELECTIVE_ACCURACY:.1f} %"
    page = render(
        "evaluation/measured.html.jinja",
        title=title,
        lead=f"Every one of {n} photos was judged by a network that had seen neither it nor its like: "
        f"{format_proportion(pooled.accuracy['sku'])[0]} were named right.",
        protocol=PROTOCOLS["honest"],
        cautions=(),
        figures=[
            *((f"right by {level}", *format_proportion(metric)) for level, metric in pooled.accuracy.items()),
            ("calibration error, without temperature", *_of_interval(pooled.before), n),
            ("calibration error, temperature of the other folds", *_of_interval(pooled.after), n),
            (f"coverage at {asked} accuracy, threshold of the other folds", *format_proportion(pooled.coverage)),
            ("accuracy of these answers", *format_proportion(pooled.selective)),
        ],
        confusion=confusion_plot(pooled.truth.tolist(), pooled.answered.tolist(), [info.name for info in classes]),
        risk=risk_plot(risk_coverage(pooled.confidence, pooled.correct)),
        proposals=proposals_of(path.parent),
    )
    write_whole(path, page)


def _of_interval(figure: Interval) -> tuple[str, str]:
    return f"{100 * figure.value:.1f} %", f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"
