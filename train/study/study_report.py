"""The study's tables, ours beside the published ones, as Markdown with plots and as JSON."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from kardus.contract.manifest import Metric
from kardus.support.files import make_folder, write_whole
from train.networks.checkpoint import write_json
from train.study.study import CONFIGURATIONS, FOLDS, NOT_RUN, QUICK, RunResult, Study

CURVES = "curves"


def write_study(study: Study, results: Sequence[RunResult], command: str) -> Path:
    """Write `study.md`, `study.json` and the learning curves; returns the path of the first."""
    out = study.out
    make_folder("--out", out / CURVES)
    for result in results:
        if result.curves:
            shutil.copyfile(result.curves, out / CURVES / f"{result.configuration.name}.png")
    write_json(out / "study.json", [_json(result) for result in results])
    text = "\n".join(
        [*_head(command, study), *_tables(results), *_leak(results), *_pretraining(results), *_curves(results)]
    )
    write_whole(out / "study.md", (text + "\n").encode())
    return out / "study.md"


def _json(result: RunResult) -> dict[str, object]:
    metrics = {"validation": result.validation, "test": result.test, "honest": result.honest}
    return {
        "name": result.configuration.name,
        "published": asdict(result.configuration.published),
        "note": result.note,
        "loss": result.loss,
        **{key: metric.model_dump() if metric else None for key, metric in metrics.items()},
    }


def _head(command: str, study: Study) -> list[str]:
    config = study.configure(CONFIGURATIONS[0], "")
    values = ", ".join(f"{key} {getattr(config, key)}" for key in QUICK if key != "precision")
    by = " (`--quick`)" if study.quick else ""
    scaled = f"Scaled to a processor{by}: {values}; the study: ResNet-50, 224, 60, 8"
    network = f"but for the network ({study.arch})" if study.arch else "ResNet-50"
    whole = f"As the study had it: {network}, 224 px, 60 epochs, batches of 8"
    return [
        "# The founding study, run again",
        "",
        f"    {command}",
        "",
        "Jurnal JTIK 8(4), 2024: 172 photos of 14 carton classes, ResNet with and without RMCSAM, 10 or 20 copies",
        "of each photo, random or ImageNet weights. Intervals are 95 % Wilson intervals.",
        "",
        f"{scaled if study.quick or study.size or study.epochs else whole}. Precision: {config.precision}.",
        "",
        "**Founding protocol:** copies are made of every photo and then split, and the originals are the test set:",
        "what is tested on was trained on. **Honest protocol:** photos are split first, bursts together, then copied;",
        f"every photo is judged once, by one of {FOLDS} networks that have not seen it.",
        "",
    ]


def _tables(results: Sequence[RunResult]) -> list[str]:
    rows = [
        "## Loss and validation (the study's Table 4)",
        "",
        "| run | loss, study | loss, ours | validation, study | validation, ours | n |",
        "|---|---|---|---|---|---|",
    ]
    for r in results:
        published = r.configuration.published
        loss = _why_not(r) if r.loss is None else f"{r.loss:.4f}"
        ours, n = _share(r.validation)
        rows.append(f"| {_name(r)} | {published.loss} | {loss} | {published.validation} % | {ours} | {n} |")
    rows += [
        "",
        "## Test (the study's Table 5), and the honest figure",
        "",
        "| run | test on the originals, study | ours | n | honest, ours | n |",
        "|---|---|---|---|---|---|",
    ]
    for r in results:
        ours, n = _share(r.test)
        honest, honest_n = _share(r.honest)
        tested = r.configuration.published.test
        rows.append(f"| {_name(r)} | {tested} % | {ours or _why_not(r)} | {n} | {honest or _why_not(r)} | {honest_n} |")
    return [*rows, ""]


def _leak(results: Sequence[RunResult]) -> list[str]:
    rows = ["## What the leak is worth", "", "| run | founding test less honest figure, in points |", "|---|---|"]
    both = [(_name(r), r.test.value - r.honest.value) for r in results if r.test and r.honest]
    said = []
    if both:
        least, most = min(points for _, points in both), max(points for _, points in both)
        said = [
            f"Testing on what was trained on flatters these runs by {100 * least:.0f} to {100 * most:.0f} points: the",
            "honest figure is what a warehouse would see.",
            "",
        ]
    return [*rows, *(f"| {name} | {100 * points:.1f} |" for name, points in both), "", *said]


def _pretraining(results: Sequence[RunResult]) -> list[str]:
    """What ImageNet's weights are worth under the honest protocol, beside what the leak is worth without them."""
    by_kind = {(r.configuration.rmcsam, r.configuration.copies, r.configuration.pretrained): r for r in results}
    rows = []
    for (rmcsam, copies, pretrained), without in by_kind.items():
        having = by_kind.get((rmcsam, copies, True))
        if pretrained or not (having and having.honest and without.honest and without.test):
            continue
        gain, leak = having.honest.value - without.honest.value, without.test.value - without.honest.value
        rows.append(f"| {without.configuration.name} | {100 * gain:.1f} | {100 * leak:.1f} |")
    table = ["| run | honest figure with pretraining less without | the leak, without pretraining |", "|---|---|---|"]
    return ["## What pretraining is worth, in points", "", *table, *rows, ""] if rows else []


def _curves(results: Sequence[RunResult]) -> list[str]:
    shown = [r.configuration.name for r in results if r.curves]
    return ["## Curves (founding protocol)", "", *(f"{name}\n\n![{name}]({CURVES}/{name}.png)\n" for name in shown)]


def _name(result: RunResult) -> str:
    standin = result.note if result.test else ""
    return result.configuration.name + (f" ({standin})" if standin else "")


def _why_not(result: RunResult) -> str:
    return f"{NOT_RUN} yet" if result.can_run else result.note


def _share(metric: Metric | None) -> tuple[str, str]:
    if metric is None:
        return "", ""
    return f"{100 * metric.value:.2f} % ({100 * metric.low:.1f} to {100 * metric.high:.1f})", str(metric.n)
