"""The line on real photos: `make real-photos DATA=FOLDER`, or `python -m tests.scripts.real_photos FOLDER [WORK]`.

FOLDER holds a data set with `images/CLASS/train_*` and `val_*` photos. Trains by the default recipe on the train
split (and on drawn photos of empty locations, which the photos lack), exports it, compares run and bundle photo by
photo, and plays shelves whose locations show val photos, photos that nothing was trained on.
"""

import csv
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from edge_agent.config.sources import SimulatedSource
from kardus.contract.manifest import EMPTY_CLASS
from simulator.dataset import draw_photo
from simulator.pictures import DrawnPictures, generator
from tests.scripts.pipeline import shelf_rows
from tests.scripts.shelves import play_shelf
from tests.scripts.steps import percent, run, run_json

SHELF_SEEDS = (601, 602, 603)
EMPTY_PHOTOS = 40


def main(data: Path, work: Path) -> None:
    """Run every stage and print the table."""
    model, bundle = work / "run", work / "real.bundle"
    options = ("--refit", 0)  # the shelves show val photos
    combined = _with_empty(data, work)
    fit_s = run("kardus-train", "fit", combined, *options, "--out", model) if not model.exists() else 0.0
    build_s = run("kardus-export", "build", model, "--out", bundle)
    unknown = ("--unknown", data / "not_cartons") if (data / "not_cartons").exists() else ()
    predictions = {}
    for name, path in (("run", model), ("bundle", bundle)):
        file = work / f"{name}.csv"
        words = ("kardus-train", "evaluate", path, data, "--split", "val", *unknown, "--predictions", file, "--json")
        figures = run_json(*words)
        with file.open(newline="") as lines:
            predictions[name] = [(row["path"], row["predicted"]) for row in csv.DictReader(lines)]
    if predictions["run"] != predictions["bundle"]:
        sys.exit("run and bundle disagree")
    parity = run_json("kardus-export", "inspect", bundle, "--json")["parity"]
    rows = [
        ("training", f"{fit_s:.0f} s" if fit_s else "taken over"),
        ("export with verification", f"{build_s:.0f} s"),
        ("accuracy by class, val", percent(figures["accuracy"]["class"])),
        ("accuracy by category, val", percent(figures["accuracy"]["category"])),
        ("run and bundle name the same class", f"on all of {len(predictions['run'])} val photos"),
        ("parity: largest logit difference", f"{parity['max_logit_difference']:.1e} on {parity['n']} crops"),
        ("bundle", f"{bundle.stat().st_size / 1e6:.1f} MB"),
    ]
    if unknown:
        rows.append(("things that are no cartons, rejected", percent(figures["rejection"]["rejected"])))
        rows.append(("AUROC of that", f"{figures['rejection']['auroc']:.3f}"))
    played = [play_shelf(bundle, "", _source(data, seed), work / "agent") for seed in SHELF_SEEDS]
    table = Table("figure", "value", title="Real photos", title_justify="left")
    for row in [*rows, *shelf_rows(played)]:
        table.add_row(*row)
    Console().print(table)


def _with_empty(data: Path, work: Path) -> Path:
    """A .csv data set: the photos, and drawn photos of empty locations."""
    path = work / "with-empty.csv"
    if path.exists():
        return path
    with (data / "classes.csv").open(newline="") as file:
        category = {row["name"]: row["category"] for row in csv.DictReader(file)}
    with (data / "labels.csv").open(newline="") as file:
        rows = [
            (str((data / row["path"]).resolve()), row["name"], row["split"], category[row["name"]])
            for row in csv.DictReader(file)
        ]
    (work / "empty").mkdir()
    for number in range(EMPTY_PHOTOS):
        photo = work / "empty" / f"{number}.jpg"
        draw_photo(DrawnPictures(), None, generator(77, number)).save(photo, quality=92)
        rows.append((str(photo.resolve()), EMPTY_CLASS, "val" if number % 4 == 0 else "train", EMPTY_CLASS))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "name", "split", "category"))
        writer.writerows(rows)
    return path


def _source(data: Path, seed: int) -> SimulatedSource:
    unknown = data / "not_cartons"
    return SimulatedSource(
        type="simulated",
        seed=seed,
        photos=(data / "images").resolve(),
        pattern="val_*",
        unknown=unknown.resolve() if unknown.exists() else None,
    )


if __name__ == "__main__":
    if len(sys.argv) < 2 or not Path(sys.argv[1], "images").is_dir():
        sys.exit(
            "error: name the folder of the photos (with images/CLASS/train_* and val_*): make real-photos DATA=FOLDER"
        )
    if len(sys.argv) > 2:
        Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(sys.argv[1]), Path(folder))
