"""A model of real photos for the agent, and photos that it never saw.

    python -m tests.scripts.real_model DATA WORK [OPTIONS]

The light recipe on the photos outside the held-out quarter, and on drawn photos of empty locations, which the data set
lacks. A fifth of them tells temperature and threshold, and is trained on at the end, as `kardus-train fit` does by
default. Nothing of the quarter is used: WORK/held-out has its photos, as links, in one folder for each class.
OPTIONS are further ones of `kardus-train fit`.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_agent.simulation.dataset import EMPTY, draw_photo
from edge_agent.simulation.pictures import DrawnPictures, generator
from tests.scripts.real_data import Marked, quarter, read, write_table
from tests.scripts.steps import run, run_json
from train.data.data_set import DataSet

EMPTY_PHOTOS = 40


def make_model(source: Path, work: Path, options: Sequence[str] = ()) -> Path:
    """Train and export into WORK what isn't there yet. Returns the bundle."""
    work.mkdir(parents=True, exist_ok=True)
    data = read(source)
    parts = quarter(data)
    table = write_table(work / "learnt.csv", data, [Marked(m.sample, "") for m in parts if m.part == "train"])
    _add_empty(table, work / "empty")
    _link(work / "held-out", [m for m in parts if m.part == "val"])
    model, bundle = work / "run", work / "real.bundle"
    if not (model / "report.html").exists() or list(model.glob("refit*")):
        run("kardus-train", "fit", table, "--recipe", "light", "--out", model, "--resume", *options)
    if not bundle.exists():
        run("kardus-export", "build", model, "--out", bundle)
    return bundle


def measure_model(bundle: Path, source: Path, work: Path) -> dict[str, Any]:
    """What `kardus-train evaluate` says of the held-out photos, and of things that are no cartons."""
    data: DataSet = read(source)
    held = [Marked(replace(m.sample, split=""), "") for m in quarter(data) if m.part == "val"]
    table = write_table(work / "held-out.csv", data, held)
    words = ("kardus-train", "evaluate", bundle, table, "--unknown", source / "not_cartons", "--json")
    figures: dict[str, Any] = run_json(*words)
    return figures


def _add_empty(table: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    with table.open("a", newline="", encoding="utf-8") as file:
        for number in range(EMPTY_PHOTOS):
            photo = (folder / f"{number}.jpg").resolve()
            if not photo.exists():
                draw_photo(DrawnPictures(), None, generator(77, number)).save(photo, quality=92)
            csv.writer(file).writerow((photo, EMPTY, EMPTY, ""))


def _link(folder: Path, held: list[Marked]) -> None:
    for marked in held:
        link = folder / marked.sample.name / marked.sample.path.name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(marked.sample.path)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    print(make_model(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
