"""From no photos to a first model, on drawn racks: `python -m tests.scripts.harvest`.

Agents without a model watch racks in which some cartons stand where the WMS expects another, and harvest. One network
is trained with `--trust-proposed`, one on the same photos with their true labels, one with every proposal believed;
all are measured on fresh drawn photos:

    OMP_NUM_THREADS=1 taskset -c 1 python -m tests.scripts.harvest
"""

import csv
import io
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from edge_agent.archive.harvest import LABELS, upright_jpeg
from edge_agent.config.data_folder import HARVEST_FOLDER
from kardus.contract.manifest import EMPTY_CLASS
from kardus.mqtt.settings import BrokerSettings
from kardus.support.tabular.tables import read_table
from simulator.dataset import draw_photo
from simulator.demo.broker import run_broker
from simulator.pictures import DrawnPictures, generator
from simulator.recording import camera_toml
from simulator.scene import Rack
from simulator.script import Change, ChangeKind, Script, write_script
from simulator.shelf import Shelf
from tests.scripts.steps import BIN, percent, run, run_json
from train.data.proposals_report import PROPOSALS
from train.evaluation.metrics import proportion
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

RACKS, FILLINGS, FRESH = 8, 4, 40
"""Racks of 15 locations; how often each location is filled; fresh photos of each class."""
FRAMES = 5
"""Looks at each filling: one at which it moves, and enough for every location to be sampled in its turn."""
WRONG = 0.05
EMPTY_LOCATIONS = 3
NETWORK = ("--recipe", "scratch", "--arch", "shufflenet_v2_x0_5", "--size", 64, "--first-size", 0)
TRAINING = ("--epochs", 30, "--batch", 16, "--lr", 4e-3, "--refit", 0, "--seed", 1)


@dataclass(frozen=True)
class Photo:
    """A crop that was harvested."""

    path: Path
    proposed: str
    truth: str

    @property
    def wrong(self) -> bool:
        """Whether the WMS was wrong."""
        return self.proposed != self.truth


@dataclass(frozen=True)
class Filled:
    """A rack over a day: what the WMS expects where, and what stands there at each filling (classes; None: nothing)."""

    seed: int
    expected: dict[str, str | None]
    fillings: tuple[dict[str, str | None], ...]

    def shelf(self) -> Shelf:
        """It, as a camera sees it."""
        changes = [
            Change(number * FRAMES, ChangeKind.PLACE if name else ChangeKind.REMOVE, location, name=name or "")
            for number, filling in enumerate(self.fillings[1:], start=1)
            for location, name in filling.items()
        ]
        frames = FRAMES * len(self.fillings)
        return Shelf(
            Rack(), DrawnPictures(), Script(self.seed, frames, self.fillings[0], self.expected, tuple(changes))
        )


def main() -> None:
    """Harvest, train three times, and print the table."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        rows = figures(Path(scratch), RACKS, FILLINGS, FRESH, (*NETWORK, *TRAINING))
    table = Table("figure", "value", title="From no photos to a first model", title_justify="left")
    for row in [*rows, ("all of it", f"{time.monotonic() - began:.0f} s")]:
        table.add_row(*row)
    Console(width=150).print(table)


def figures(work: Path, racks: int, fillings: int, fresh: int, options: Sequence[object]) -> list[tuple[str, str]]:
    """Everything, in the folder `work`."""
    began = time.monotonic()
    photos = [
        photo for seed in range(racks) for photo in harvest(work / "harvest" / f"rack{seed}", fill(seed, fillings))
    ]
    harvested_s = time.monotonic() - began
    _write_fresh(work / "fresh", fresh)
    wrong = sum(photo.wrong for photo in photos)
    rows = [
        ("racks and locations", f"{racks} x {len(Rack().slots())}, each filled {fillings} times, {harvested_s:.0f} s"),
        ("photos harvested", str(len(photos))),
        ("of them with a wrong label", percent(proportion("", wrong, len(photos)).model_dump())),
    ]
    _write_table(work / "clean.csv", [(photo.path, photo.truth) for photo in photos])
    _write_table(work / "blind.csv", [(photo.path, photo.proposed) for photo in photos])
    trusted = ("trusted but for contradicted ones", work / "harvest", ("--trust-proposed",))
    for what, data, more in (
        ("clean labels", work / "clean.csv", ()),
        ("every proposal believed", work / "blind.csv", ()),
        trusted,
    ):
        model = work / what.split()[0]
        spent_s = run("kardus-train", "fit", data, "--out", model, *options, *more)
        measured = run_json("kardus-train", "evaluate", model, work / "fresh", "--json")["accuracy"]["sku"]
        rows.append((f"right by SKU, {what}", f"{percent(measured)}, trained in {spent_s:.0f} s"))
    return [*rows, *_dropped(work / "trusted" / PROPOSALS, photos)]


def fill(seed: int, fillings: int) -> Filled:
    """A rack whose every location has a product of its own, or none; WRONG of what stands there is something else."""
    rng = generator(seed, "harvest")
    stock = DrawnPictures().stock()
    skus = list(dict.fromkeys(s.sku for s in stock))
    locations = [slot.location for slot in Rack().slots()]
    products = [skus[(seed * 5 + index) % len(skus)] for index in range(len(locations) - EMPTY_LOCATIONS)]
    order = rng.permutation(len(locations))
    given: list[str | None] = [*products, *[None] * EMPTY_LOCATIONS]
    expected = {location: given[order[index]] for index, location in enumerate(locations)}
    faces = {sku: [s.name for s in stock if s.sku == sku] for sku in skus}
    filled = [
        {location: str(rng.choice(faces[sku])) if sku else None for location, sku in expected.items()}
        for _ in range(fillings)
    ]
    places = [(number, location) for number in range(fillings) for location in locations]
    for index in rng.choice(len(places), round(WRONG * len(places)), replace=False):
        number, location = places[index]
        filled[number][location] = _wrong(rng, expected[location])
    return Filled(1000 + seed, expected, tuple(filled))


def harvest(folder: Path, filled: Filled) -> list[Photo]:
    """Let a real agent without a model watch the rack through a real broker; its harvest becomes `folder`."""
    shelf = filled.shelf()
    work = folder.parent.parent / f"agent-{filled.seed}"
    work.mkdir(parents=True)
    folder.parent.mkdir(exist_ok=True)
    write_script(work / "rack.json", shelf.script)
    with run_broker("mosquitto") as running:
        lines = [StockLine(location, sku) for location, sku in filled.expected.items()]
        publish_stock(BrokerSettings("127.0.0.1", running.port), "harvest", lines, replace=False)
        config = work / "agent.toml"
        config.write_text(_config(running.port, work), encoding="utf-8")
        subprocess.run([str(BIN / "kardus-agent"), "run", str(config)], check=True, timeout=300)
    (work / "data" / HARVEST_FOLDER).rename(folder)
    rows = [row.values for row in read_table(folder / LABELS, ("path", "proposed", "location"))]
    looks = _looks(filled, shelf)
    return [_photo(folder / row["path"], row, filled, shelf, looks) for row in rows]


def _config(port: int, work: Path) -> str:
    """An agent without a model; a filling lasts less than a second here, so that nothing has to settle for minutes."""
    return (
        f'[agent]\nsite = "harvest"\nname = "box"\ndata_dir = "{work}/data"\n'
        "[harvest]\nsample = true\nsettle_s = 0\n"
        "[evidence]\nmax_mb = 0\n"
        f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n\n'
        + camera_toml(Rack(), f'type = "simulated", script = "{work}/rack.json"')
    )


def _wrong(rng: np.random.Generator, sku: str | None) -> str | None:
    """What stands there instead: mostly another product of the family, sometimes nothing."""
    stock = DrawnPictures().stock()
    if sku is None:
        return str(rng.choice([s.name for s in stock]))
    category = next(s.category for s in stock if s.sku == sku)
    return (
        None
        if rng.uniform() < WRONG * 4
        else str(rng.choice([s.name for s in stock if s.category == category and s.sku != sku]))
    )


def _looks(filled: Filled, shelf: Shelf) -> list[Image.Image]:
    """A picture of each filling."""
    return [Image.fromarray(shelf.frame(number * FRAMES + FRAMES - 1)) for number in range(len(filled.fillings))]


def _photo(path: Path, row: dict[str, str], filled: Filled, shelf: Shelf, looks: Sequence[Image.Image]) -> Photo:
    """A crop with its truth: it is of the filling whose picture is most like it."""
    corners = next(slot.corners for slot in shelf.rack.slots() if slot.location == row["location"])
    crop = _small(Image.open(path))
    others = [_small(Image.open(io.BytesIO(upright_jpeg(look, corners)))) for look in looks]
    number = int(np.argmin([np.abs(crop - other).mean() for other in others]))
    name = filled.fillings[number][row["location"]]
    return Photo(path, row["proposed"], shelf.skus()[name] if name else EMPTY_CLASS)


def _small(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((128, 128), Image.Resampling.BOX), np.float32)


def _write_fresh(folder: Path, each: int) -> None:
    """Photos that nothing was trained on, named by their products."""
    pictures = DrawnPictures()
    skus: dict[str | None, str] = {s.name: s.sku for s in pictures.stock()} | {None: EMPTY_CLASS}
    folder.mkdir()
    rows = []
    for name, sku in skus.items():
        for index in range(each):
            path = folder / f"{name or EMPTY_CLASS}-{index}.jpg"
            draw_photo(pictures, name, generator(90_001, name or EMPTY_CLASS, index)).save(path, quality=92)
            rows.append((path, sku))
    _write_table(folder / LABELS, rows)


def _write_table(path: Path, rows: Sequence[tuple[Path, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "name"), *rows])


def _dropped(table: Path, photos: Sequence[Photo]) -> list[tuple[str, str]]:
    """How many wrong and how many right labels were dropped."""
    wrong = {str(photo.path.resolve()): photo.wrong for photo in photos}
    judged = [(wrong[row.values["path"]], row.values["kept"] == "no") for row in read_table(table, ("path", "kept"))]
    bad = [dropped for is_wrong, dropped in judged if is_wrong]
    good = [dropped for is_wrong, dropped in judged if not is_wrong]
    left = [is_wrong for is_wrong, dropped in judged if not dropped]
    return [
        ("wrong labels dropped", percent(proportion("", sum(bad), len(bad)).model_dump())),
        ("right labels dropped", percent(proportion("", sum(good), len(good)).model_dump())),
        ("wrong labels among those trained on", percent(proportion("", sum(left), len(left)).model_dump())),
    ]


if __name__ == "__main__":
    main()
