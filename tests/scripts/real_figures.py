"""The figures of docs/results.md on real photos: python -m tests.scripts.real_figures WHAT DATA WORK.

WHAT is one of

- quarter: the default recipe and the light one on a held-out quarter, with calibration, selective accuracy, rejection;
- networks: other networks on that quarter, for export's tables: ShuffleNetV2 x1.0, and ResNet-50 + RMCSAM at 128 px;
- folds: both recipes' calibration and selective accuracy, pooled over five folds of all photos, three seeds;
- shops: the default recipe on four fifths of the train split, measured on the fifth and on photos of other shops (val);
- few: the default recipe and the light one on 10, 5 and 2 photos a class, measured on all the others;
- siblings: products left out of training, and things that are no cartons, to be rejected;
- enrolment: those products enrolled from 5 photos and from 1; after siblings;
- ablation: what each ingredient of `scratch` gives, at 128 px on 10 photos a class;
- ablation-default: the same of the default recipe, in 40 epochs.

DATA is a folder with labels.csv, classes.csv and not_cartons/. WORK keeps the runs: a second start goes on.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.scripts.real_data import Marked, few, quarter, read, siblings, without, write_table
from tests.scripts.real_enrolment import measure_enrolment
from tests.scripts.steps import percent, run, run_json
from train.data.data_set import DataSet, read_data
from train.data.photos import label_indices, load_crops
from train.data.splits import assign_folds, photo_groups
from train.evaluation.calibration import HeldOut
from train.evaluation.cross_validation import CrossValidation, Fold, pool
from train.evaluation.predictor import Predictor, open_predictor

SEEDS = 3
PARTS = 5
"""A held-out part is divided into so many, so that temperature and threshold come from others than they judge."""
ABLATION = (
    "--recipe",
    "scratch",
    "--size",
    128,
    "--first-size",
    0,
    "--epochs",
    60,
    "--refit",
    0,
    "--val-fraction",
    0.1,
)
NETWORKS: dict[str, tuple[object, ...]] = {
    "shufflenet": ("--recipe", "scratch", "--arch", "shufflenet_v2_x1_0"),
    "resnet50-rmcsam": (
        "--recipe",
        "scratch",
        "--arch",
        "resnet50",
        "--rmcsam",
        "--size",
        128,
        "--first-size",
        0,
        "--epochs",
        60,
    ),
}
DEFAULT_ABLATION = ("--size", 128, "--first-size", 0, "--epochs", 40, "--refit", 0, "--val-fraction", 0.1)
OF_DEFAULT: dict[str, tuple[object, ...]] = {
    "the default at 128 px, 40 epochs": (),
    "from random weights": ("--init", "", "--frozen", 0, "--backbone-lr", 1),
    "every layer trained": ("--frozen", 0),
    "embedding of the last map alone": ("--embedding", "last"),
    "without CutMix": ("--cutmix", 0),
    "without cartons side by side": ("--side-by-side", 0),
    "without heaps to be doubted": ("--clutter", 0),
    "colours and sharpness varied as with `scratch`": ("--white-balance", 0.08, "--exposure", 0.35, "--blur", 0),
    "without averaged weights": ("--ema", 0),
    "without label smoothing": ("--label-smoothing", 0),
    "with RMCSAM": ("--rmcsam",),
    "with GeM pooling": ("--pooling", "gem"),
    "half as long": ("--epochs", 20),
    "three times as long": ("--epochs", 120),
}
INGREDIENTS: dict[str, tuple[object, ...]] = {
    "scratch at 128 px": (),
    "without heaps to be doubted": ("--clutter", 0),
    "gentler geometry (zoom 0.65, 12 degrees, tilt 0.06)": (
        *("--smallest-zoom", 0.65, "--rotation", 12, "--perspective", 0.06),
    ),
    "without averaged weights": ("--ema", 0),
    "without label smoothing": ("--label-smoothing", 0),
    "without weight decay": ("--weight-decay", 0),
    "half as long": ("--epochs", 30),
    "with CutMix in half of the batches": ("--cutmix", 0.5),
    "with crops in false colours to be doubted": ("--outliers", 0.25),
    "with a category head": ("--category-weight", 0.3),
    "with RMCSAM": ("--rmcsam",),
    "with GeM pooling": ("--pooling", "gem"),
    "with RMCSAM and GeM pooling": ("--rmcsam", "--pooling", "gem"),
    "twice as long": ("--epochs", 120),
}


def measure_quarter(data: DataSet, work: Path) -> None:
    """The default recipe, and the light one, on a quarter that no recipe was chosen on."""
    table = write_table(work / "quarter.csv", data, quarter(data))
    for recipe in ("kardus", "light"):
        model, seconds = _fit(table, work / recipe, "--recipe", recipe, "--refit", 0)
        figures = _evaluate(model, table, "val", data.source / "not_cartons")
        print(f"\n{recipe}: trained in {seconds / 60:.0f} min" if seconds else f"\n{recipe}: taken over")
        for level in ("class", "category"):
            print(f"right by {level}: {percent(figures['accuracy'][level])}")
        print(f"things that are no cartons: AUROC {figures['rejection']['auroc']:.3f}")
        print(f"of each score: {figures['rejection']['auroc_by_score']}")
        _print_pooled(_in_parts(open_predictor(model), table))


def measure_shops(data: DataSet, work: Path) -> None:
    """The default recipe and the light one without a fifth of the train split; val photos never choose anything."""
    own = [sample for sample in data.samples if sample.split == "train"]
    fold = assign_folds([sample.name for sample in own], photo_groups(own), PARTS, seed=0)
    marks = {s.path: "val" if number == 0 else "train" for s, number in zip(own, fold, strict=True)}
    marked = [Marked(sample, marks.get(sample.path, "test")) for sample in data.samples]
    table = write_table(work / "shops.csv", data, marked)
    for recipe in ("kardus", "light"):
        model, seconds = _fit(table, work / f"shops-{recipe}", "--recipe", recipe, "--refit", 0)
        print(f"\n{recipe}: trained in {seconds / 60:.0f} min" if seconds else f"\n{recipe}: taken over")
        for part, what in (("val", "held out"), ("test", "other shops")):
            figures = _evaluate(model, table, part)
            for level in ("class", "category"):
                print(f"{what}, right by {level}: {percent(figures['accuracy'][level])}")


def measure_networks(data: DataSet, work: Path) -> None:
    """Other networks on the quarter; their runs are kept for tests.scripts.real_export."""
    table = write_table(work / "quarter.csv", data, quarter(data))
    for name, options in NETWORKS.items():
        model, seconds = _fit(table, work / name, *options, "--refit", 0)
        figures = _evaluate(model, table, "val", data.source / "not_cartons")
        print(f"\n{name}: {percent(figures['accuracy']['class'])}, trained in {seconds / 60:.0f} min")
        print(f"things that are no cartons: AUROC {figures['rejection']['auroc']:.3f}")


def measure_folds(data: DataSet, work: Path) -> None:
    """Both recipes on every photo, measured and calibrated by folds; their own reports have the figures too."""
    table = write_table(work / "all.csv", data, [Marked(sample, "") for sample in data.samples])
    for recipe in ("kardus", "light"):
        model, _ = _fit(table, work / f"folds-{recipe}", "--recipe", recipe, "--folds", PARTS, "--seeds", SEEDS)
        print(recipe, (model / "folds.json").read_text(encoding="utf-8"))


def measure_few(data: DataSet, work: Path) -> None:
    """The default recipe and the light one on few photos; measured are all that weren't chosen."""
    for recipe in ("kardus", "light"):
        for each in (10, 5, 2):
            marked = few(data, each, seed=0)
            table = write_table(work / f"few-{each}.csv", data, marked)
            chosen = write_table(work / f"few-{each}-chosen.csv", data, [m for m in marked if not m.part])
            model, _ = _fit(chosen, work / f"few-{each}-{recipe}", "--recipe", recipe)
            figures = _evaluate(model, table, "test")
            print(f"\n{recipe}, {each} photos a class: {percent(figures['accuracy']['class'])}", flush=True)


def measure_siblings(data: DataSet, work: Path) -> None:
    """Each list of siblings is left out; known are the photos of the held-out quarter."""
    found = []
    for number, names in enumerate(siblings(), 1):
        known, strange = without(quarter(data), names)
        table = write_table(work / f"siblings-{number}.csv", data, known)
        unknown = write_table(work / f"siblings-{number}-unknown.csv", data, strange)
        model, _ = _fit(table, work / f"siblings-{number}", "--refit", 0)
        products = _evaluate(model, table, "val", unknown)["rejection"]["auroc_by_score"]
        things = _evaluate(model, table, "val", data.source / "not_cartons")["rejection"]["auroc_by_score"]
        found.append((products, things))
        print(f"\nlist {number}: products {products}, no cartons {things}")
    for title, column in (("products left out", 0), ("no cartons", 1)):
        for score in found[0][column]:
            values = [row[column][score] for row in found]
            print(f"{title}, {score}: mean {np.mean(values):.3f}, least {min(values):.3f}")


def measure_ablation(data: DataSet, work: Path) -> None:
    """One ingredient of `scratch` changed at a time; trained on 10 photos a class, measured on the others."""
    _measure_each(data, work, "ablation", ABLATION, INGREDIENTS)


def measure_default_ablation(data: DataSet, work: Path) -> None:
    """The same of the default recipe."""
    _measure_each(data, work, "ablation-default", DEFAULT_ABLATION, OF_DEFAULT)


def _measure_each(
    data: DataSet, work: Path, name: str, options: tuple[object, ...], ingredients: dict[str, tuple[object, ...]]
) -> None:
    table = write_table(work / "ablation.csv", data, few(data, 10, seed=1))
    chosen = write_table(work / "ablation-chosen.csv", data, [m for m in few(data, 10, seed=1) if not m.part])
    rows = []
    for number, (what, own) in enumerate(ingredients.items()):
        model, _ = _fit(chosen, work / f"{name}-{number}", *options, *own)
        figures = _evaluate(model, table, "test", data.source / "not_cartons")
        scores = figures["rejection"]["auroc_by_score"]
        rows.append(f"| {what} | {percent(figures['accuracy']['class'])} | {scores['distance']:.3f} |")
        print(rows[-1], flush=True)
    print("\n| recipe | right by class | AUROC, no cartons |\n|---|---|---|", *rows, sep="\n")


def _fit(table: Path, out: Path, *options: object) -> tuple[Path, float]:
    """A run, and the seconds that it took; 0 where it was there already."""
    if (out / "report.html").exists() and not list(out.glob("refit*")):
        return out, 0.0
    return out, run("kardus-train", "fit", table, "--out", out, "--resume", *options)


def _evaluate(
    model: Path, table: Path, split: str, unknown: Path | None = None
) -> dict[str, dict[str, dict[str, float]]]:
    more = ("--unknown", unknown) if unknown else ()
    figures: dict[str, dict[str, dict[str, float]]] = run_json(
        "kardus-train", "evaluate", model, table, "--split", split, *more, "--json"
    )
    return figures


def _in_parts(model: Predictor, table: Path) -> CrossValidation:
    """The held-out photos, each judged with temperature and threshold from the other parts."""
    held = read_data(table).select("val")
    names = [info.name for info in model.classes]
    outputs = model.outputs(load_crops(held, model.size_px, "Reading photos"))
    labels = label_indices(held, names)
    part = assign_folds(["all"] * len(labels), photo_groups(held.samples), PARTS, seed=0)
    scores = outputs.logits.max(axis=1)
    folds = [
        Fold(0, number, np.flatnonzero(own), HeldOut(outputs.logits[own], scores[own], labels[own]))
        for number, own in ((n, part == n) for n in range(PARTS))
    ]
    return pool(folds, model.classes)


def _print_pooled(pooled: CrossValidation) -> None:
    for what, error in (("as the network answers", pooled.before), ("with its temperature", pooled.after)):
        print(f"calibration error {what}: {100 * error.value:.1f} % ({100 * error.low:.1f} to {100 * error.high:.1f})")
    print(f"kept at 99.5 % selective accuracy: {percent(pooled.coverage.model_dump())}")
    print(f"of them right: {percent(pooled.selective.model_dump())}")


WHAT: dict[str, Callable[[DataSet, Path], None]] = {
    "quarter": measure_quarter,
    "shops": measure_shops,
    "networks": measure_networks,
    "folds": measure_folds,
    "few": measure_few,
    "siblings": measure_siblings,
    "ablation": measure_ablation,
    "ablation-default": measure_default_ablation,
    "enrolment": measure_enrolment,
}


def main(what: str, source: Path, work: Path) -> None:
    """Measure one thing."""
    work.mkdir(parents=True, exist_ok=True)
    WHAT[what](read(source), work)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in WHAT:
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
