"""Trials of what a recipe may have: python -m tests.scripts.real_trials DATA WORK [ARM ...].

Each arm is trained on few photos of each class, without a hold-out of its own, and without five products that are in
none of the committed lists; measured on the other photos and on those products. Photos of other shops (val) are not
looked at, so that they can report. The recipe was chosen by this, on an H200; on two cores an arm takes hours.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tests.scripts.real_data import Marked, few, read, without, write_table
from tests.scripts.steps import percent, run, run_json
from train.config import make_config
from train.data.data_set import DataSet
from train.data.splits import assign_folds, photo_groups
from train.recipe import read_recipe

USUAL_EPOCHS, MIN_STEPS = 16, 300
"""Of an arm of length 1."""
PARTS = 5
LEFT_OUT = (
    {
        "Arla-Sour-Cream",
        "Arla-Standard-Milk",
        "Bravo-Orange-Juice",
        "Garant-Ecological-Medium-Fat-Milk",
        "God-Morgon-Red-Grapefruit-Juice",
    },
    {
        "Alpro-Shelf-Soy-Milk",
        "Arla-Ecological-Sour-Cream",
        "Arla-Natural-Yoghurt",
        "Arla-Sour-Milk",
        "Tropicana-Juice-Smooth",
    },
)


@dataclass(frozen=True)
class Arm:
    """What is tried, beside the default recipe."""

    length: float
    """As a multiple of USUAL_EPOCHS epochs, and of MIN_STEPS steps at least."""
    options: tuple[object, ...] = ()

    def epochs(self, photos: int) -> int:
        """How many epochs that is."""
        batches = max(1, photos // make_config(**read_recipe("kardus")).batch)
        return round(self.length * max(USUAL_EPOCHS, MIN_STEPS / batches))


ARMS = {
    "short": Arm(1),
    "long": Arm(2.5),
    "longer": Arm(5),
    "long, every layer trained": Arm(2.5, ("--frozen", 0)),
    "long, CutMix in half of the batches": Arm(2.5, ("--cutmix", 0.5)),
    "long, side by side in 0.15 of the crops": Arm(2.5, ("--side-by-side", 0.15)),
    "long, GeM pooling": Arm(2.5, ("--pooling", "gem")),
    "long, all of the recipe": Arm(4, ("--cutmix", 0.5, "--side-by-side", 0.15)),
}


@dataclass(frozen=True)
class Trial:
    """What an arm is trained and measured on."""

    title: str
    marked: list[Marked]
    strangers: list[Marked]


def main(source: Path, work: Path, names: list[str]) -> None:
    """Train every arm on every trial; a run that is there already is taken over."""
    work.mkdir(parents=True, exist_ok=True)
    data = read(source)
    data = replace(data, samples=tuple(sample for sample in data.samples if sample.split == "train"))
    for trial in _trials(data):
        table = write_table(work / f"{trial.title}.csv", data, trial.marked)
        unknown = write_table(work / f"{trial.title}-unknown.csv", data, trial.strangers) if trial.strangers else None
        photos = sum(m.part == "train" for m in trial.marked)
        for name in names or ARMS:
            out, arm = work / f"{trial.title}-{name.replace(' ', '-')}", ARMS[name]
            if not (out / "report.html").exists():
                plain = ("--refit", 0, "--cutmix", 0, "--side-by-side", 0, "--epochs", arm.epochs(photos))
                run("kardus-train", "fit", table, "--out", out, "--resume", *plain, *arm.options)
            _print(f"{trial.title}, {name}", out, table, unknown)


def _trials(data: DataSet) -> Iterator[Trial]:
    for each, seed in ((5, 100), (2, 100)):
        marked = [replace(m, part="val" if m.part else "train") for m in few(data, each, seed)]
        yield Trial(f"few-{each}", marked, [])
    for number, left_out in enumerate(LEFT_OUT, 1):
        known, strangers = without([Marked(sample, "") for sample in data.samples], left_out)
        own = [m.sample for m in known]
        fold = assign_folds([sample.name for sample in own], photo_groups(own), PARTS, seed=0)
        marks = [Marked(s, "val" if number == 0 else "train") for s, number in zip(own, fold, strict=True)]
        yield Trial(f"left-out-{number}", marks, strangers)


def _print(title: str, out: Path, table: Path, unknown: Path | None) -> None:
    more = ("--unknown", unknown) if unknown else ()
    figures = run_json("kardus-train", "evaluate", out, table, "--split", "val", *more, "--json")
    print(f"{title}: right by class {percent(figures['accuracy']['class'])}", end="")
    scores = figures["rejection"]["auroc_by_score"] if unknown else {}
    print("".join(f"; AUROC by {score} {np.round(value, 3)}" for score, value in scores.items()), flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 3 or set(sys.argv[3:]) - set(ARMS):
        sys.exit(f"{__doc__}\nARM is one of: {'; '.join(ARMS)}")
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]), sys.argv[3:])
