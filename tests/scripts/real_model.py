"""A model of real photos for the agent, and photos that it never saw.

    python -m tests.scripts.real_model DATA WORK [--in-racks] [OPTIONS]

The light recipe on the photos outside the held-out quarter, and on drawn photos of empty locations, which the data set
lacks; with `--in-racks` on the same photos as a camera saw them, each once in a simulated rack, and on empty locations
of that rack (tests/scripts/rack_photos.py). A fifth of them tells temperature and threshold, and is trained on at the
end, as `kardus-train fit` does by default. Nothing of the quarter is used: WORK/held-out has its photos, as links, in
one folder for each class.
OPTIONS are further ones of `kardus-train fit`.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_agent.simulation.dataset import EMPTY, draw_photo
from edge_agent.simulation.pictures import DrawnPictures, generator
from edge_agent.simulation.scene import Rack
from tests.scripts.long_shelves import LEVELS, POSITIONS
from tests.scripts.rack_photos import write_rack_photos
from tests.scripts.real_data import Marked, quarter, read, write_table
from tests.scripts.steps import run, run_json
from train.data.data_set import DataSet, Sample

EMPTY_PHOTOS = 40


def make_model(source: Path, work: Path, options: Sequence[str] = (), *, in_racks: bool = False) -> Path:
    """Train and export into WORK what isn't there yet. Returns the bundle."""
    work.mkdir(parents=True, exist_ok=True)
    data = read(source)
    parts = quarter(data)
    learnt = [m.sample for m in parts if m.part == "train"]
    table = work / "learnt.csv"
    if in_racks:
        _write_seen(table, work / "seen", data, learnt)
    else:
        write_table(table, data, [Marked(sample, "") for sample in learnt])
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


def _write_seen(table: Path, folder: Path, data: DataSet, learnt: Sequence[Sample]) -> None:
    category = {info.name: info.category for info in data.classes} | {EMPTY: EMPTY}
    crops = write_rack_photos(folder, [(sample.path, sample.name) for sample in learnt], Rack(LEVELS, POSITIONS))
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "name", "category", "split"))
        writer.writerows((path, name, category[name], "") for path, name in crops)


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--in-racks", action="store_true")
    asked, further = parser.parse_known_args()
    print(make_model(asked.data, asked.work, further, in_racks=asked.in_racks))
