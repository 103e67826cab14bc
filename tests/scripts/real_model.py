"""A model of real photos for the agent, and photos that it never saw.

    python -m tests.scripts.real_model DATA WORK [--in-racks N] [OPTIONS]

A recipe (the light one by default) on the photos outside the held-out quarter, and on drawn photos of empty locations,
which the data set lacks. With `--in-racks N` on both kinds of photos that a warehouse has once its cameras have looked
for a while: those photos in hands, and each of them N times as a camera saw it in a simulated rack, with empty
locations of that rack (tests/scripts/rack_photos.py). Temperature and thresholds are then told by what the cameras saw
of a fifth of the cartons; their photos in hands are left out, and what was seen of them is learnt at the end.
Nothing of the quarter is used: WORK/held-out has its photos, as links, in one folder for each class.
OPTIONS are further ones of `kardus-train fit`.
"""

import argparse
import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kardus.contract.manifest import EMPTY_CLASS, ClassInfo
from simulator.dataset import draw_photo
from simulator.pictures import DrawnPictures, generator
from simulator.scene import Rack
from tests.scripts.long_shelves import LEVELS, POSITIONS
from tests.scripts.rack_photos import write_rack_photos
from tests.scripts.real_data import Marked, quarter, read, write_table
from tests.scripts.steps import percent, run, run_json
from train.data.data_set import DataSet, Sample
from train.data.splits import hold_out, photo_groups

EMPTY_PHOTOS = 40
HELD_SHARE = 0.2


def make_model(
    source: Path, work: Path, options: Sequence[str] = (), *, recipe: str = "light", in_racks: int = 0
) -> Path:
    """Train and export into WORK what isn't there yet. Returns the bundle."""
    work.mkdir(parents=True, exist_ok=True)
    data = read(source)
    parts = quarter(data)
    learnt = [m.sample for m in parts if m.part == "train"]
    table = work / "learnt.csv"
    if in_racks:
        _write_seen(table, work / "seen", data, learnt, in_racks)
    else:
        write_table(table, data, [Marked(sample, "") for sample in learnt])
        _add_empty(table, work / "empty")
    _link(work / "held-out", [m for m in parts if m.part == "val"])
    model, bundle = work / "run", work / "real.bundle"
    if not (model / "report.html").exists() or list(model.glob("refit*")):
        run("kardus-train", "fit", table, "--recipe", recipe, "--out", model, "--resume", *options)
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


def _write_seen(table: Path, folder: Path, data: DataSet, learnt: Sequence[Sample], showings: int) -> None:
    crops = write_rack_photos(folder, [(s.path, s.name) for s in learnt], Rack(LEVELS, POSITIONS), showings)
    held = hold_out([s.name for s in learnt], photo_groups(learnt), HELD_SHARE, seed=0)
    told_by = {sample.path for sample, is_held in zip(learnt, held, strict=True) if is_held}
    empties = [crop.path for crop in crops if crop.photo is None]
    told_by.update(empties[:: round(1 / HELD_SHARE)])
    seen = [
        Marked(Sample(crop.path, crop.name), "val" if (crop.photo or crop.path) in told_by else "train")
        for crop in crops
    ]
    in_hands = [Marked(sample, "train") for sample in learnt if sample.path not in told_by]
    classes = (*data.classes, ClassInfo(name=EMPTY_CLASS, category=EMPTY_CLASS, sku=EMPTY_CLASS))
    write_table(table, replace(data, classes=classes), [*seen, *in_hands])


def _add_empty(table: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    with table.open("a", newline="", encoding="utf-8") as file:
        for number in range(EMPTY_PHOTOS):
            photo = (folder / f"{number}.jpg").resolve()
            if not photo.exists():
                draw_photo(DrawnPictures(), None, generator(77, number)).save(photo, quality=92)
            csv.writer(file).writerow((photo, EMPTY_CLASS, EMPTY_CLASS, ""))


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
    parser.add_argument("--recipe", default="light")
    parser.add_argument("--in-racks", type=int, default=0, metavar="N")
    asked, further = parser.parse_known_args()
    made = make_model(asked.data, asked.work, further, recipe=asked.recipe, in_racks=asked.in_racks)
    print(made, "by class:", percent(measure_model(made, asked.data, asked.work)["accuracy"]["class"]))
