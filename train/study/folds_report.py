"""The page and the figures of a measurement by folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kardus.contract.manifest import ClassInfo, Metric
from kardus.support.files import write_whole
from train.config import TrainConfig
from train.data.proposals_report import proposals_parts
from train.evaluation.plots import confusion_plot, risk_plot
from train.evaluation.pooled import SELECTIVE_ACCURACY, Interval, Pooled
from train.evaluation.selective import risk_coverage
from train.pages import page, plot, table


def pooled_json(pooled: Pooled, config: TrainConfig) -> dict[str, Any]:
    """The figures, for programs."""
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


def write_pooled(path: Path, title: str, pooled: Pooled, classes: Sequence[ClassInfo]) -> None:
    """Write the page, whole or not at all."""
    names = [info.name for info in classes]
    metric = pooled.accuracy["sku"]
    lead = (
        f"Every one of {metric.n} photos was judged by a network that had seen neither it nor its like: "
        f"{100 * metric.value:.1f} % were named right."
    )
    asked = f"{100 * SELECTIVE_ACCURACY:.1f} %"
    rows = [
        *((f"right by {level}", *of_share(m)) for level, m in pooled.accuracy.items()),
        ("calibration error, without temperature", *of_interval(pooled.before), str(metric.n)),
        ("calibration error, temperature of the other folds", *of_interval(pooled.after), str(metric.n)),
        (f"answers kept at {asked}, threshold of the other folds", *of_share(pooled.coverage)),
        ("of them right", *of_share(pooled.selective)),
    ]
    curve = risk_coverage(pooled.confidence, pooled.correct)
    parts = [
        f"<p class='lead'>{lead}</p>",
        "<p>Honest protocol: bursts grouped, photos split first, then changed.</p>",
        table(("figure", "value", "95 % interval", "n"), rows),
        "<h2>Where it is wrong</h2>",
        plot(confusion_plot(pooled.truth.tolist(), pooled.answered.tolist(), names), "which class is taken for which"),
        "<h2>When it may say that it is unsure</h2>",
        plot(risk_plot(curve), "wrong answers among those that are kept"),
        *proposals_parts(path.parent),
    ]
    write_whole(path, page(title, parts))


def of_share(metric: Metric) -> tuple[str, str, str]:
    """A share in per cent, its interval, and n."""
    return f"{100 * metric.value:.1f} %", f"{100 * metric.low:.1f} to {100 * metric.high:.1f}", str(metric.n)


def of_interval(figure: Interval) -> tuple[str, str]:
    """A figure in per cent, and its interval."""
    return f"{100 * figure.value:.1f} %", f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"
