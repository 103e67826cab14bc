"""What a rack at rest costs the agent, beside classifying every location in every picture.

    python -m tests.benchmarks.at_rest [ROUNDS] [SIZE_PX]

24 still locations, 1080p with other sensor noise in each picture, one look a second, a ResNet-18 in eight bits, trained
for one epoch on drawn photos: its speed doesn't depend on its weights. Both ways go through the agent's own line (view,
slots, gate, classifier, verdict) on the same pictures, in the same process and in turn: with `refresh_s` as it comes
(300 s), for LOOKS looks, in which each location is classified once; and with 0.001, which classifies all of them in
every picture. Processor time is this process's (user and system), on one thread; decoding the JPEGs, which both need,
stands apart. The table gives medians over ROUNDS, and each round's ratio.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from edge_agent.classifier import Classifier
from edge_agent.config import Config, load_config
from edge_agent.contract.messages import Expected
from edge_agent.expected import ExpectedStore
from edge_agent.health.metrics import Metrics
from edge_agent.models.load import load_model
from edge_agent.preprocess import Pixels
from edge_agent.records import Frame
from edge_agent.simulation.pictures import DrawnPictures, generator
from edge_agent.simulation.recording import camera_toml
from edge_agent.simulation.scene import Rack
from edge_agent.simulation.script import Script
from edge_agent.simulation.shelf import Shelf
from edge_agent.wiring.cameras import Cameras
from edge_agent.wiring.judging import Judging
from edge_agent.wiring.line import Line
from tests.scripts.steps import run

RACK = Rack(levels=4, positions=6)
PICTURES = 16
"""Of different noise, one after another."""
LOOKS = 300
"""Seconds, and looks, from one refresh to the next."""
EVERY_LOOKS = 12
"""Looks of a round that classify everything."""
STATE_EVERY = 100
"""Looks after which a location's state has to be told again."""
WARM_UP = 8


@dataclass(frozen=True)
class Round:
    """Processor time of a look, in seconds, and how many crops were classified in all."""

    gated_s: float
    gated_crops: int
    every_s: float
    every_crops: int
    decode_s: float


class Bench:
    """A line of its own, at rest."""

    def __init__(self, config: Config, classifier: Classifier, pictures: Sequence[Pixels], folder: Path) -> None:
        """Tell it what is expected, and let it look until every location is settled."""
        self._cameras = Cameras(config, lambda _: None)
        locations = self._cameras.locations
        store = ExpectedStore(folder / "expected.sqlite", frozenset(locations))
        for location in locations:
            store.apply(location, Expected(revision=1, sku="Tea-Lemon").model_dump_json().encode())
        self.metrics = Metrics()
        self._line = Line(self._cameras, classifier, Judging(store, {}, 0.0), self.metrics)
        self._pictures = pictures
        self._looks = 0
        self.look(WARM_UP)

    def look(self, times: int) -> float:
        """Look so many times, a second apart; the processor time of one, in seconds."""
        began = time.process_time()
        for _ in range(times):
            pixels = self._pictures[self._looks % len(self._pictures)]
            self._looks += 1
            frame = Frame("rack", self._looks, datetime.now(UTC), float(self._looks), pixels)
            is_due = self._looks % STATE_EVERY == 0
            looked = self._line.look([frame], _always if is_due else _never)
            if looked.lost:
                sys.exit(f"the view was lost: {looked.lost}")
        return (time.process_time() - began) / times

    def crops(self) -> int:
        """How many crops have been classified."""
        return int(self.metrics.registry.get_sample_value("kardus_classifications_total") or 0)


def _always(_: str) -> bool:
    return True


def _never(_: str) -> bool:
    return False


def main(rounds: int, size_px: int) -> None:
    """Make the bundle, measure in turn, print."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        config = load_config(_config(work, _bundle(work, size_px)))
        assert config.model
        _, classifier = load_model(config.model)
        jpegs = _jpegs()
        pictures = [_decoded(jpeg) for jpeg in jpegs]
        every = _classifying_all(config)
        benches = [Bench(c, classifier, pictures, _made(work / name)) for name, c in (("g", config), ("e", every))]
        measured = [_round(benches[0], benches[1], jpegs) for _ in range(rounds)]
    _print(measured, size_px)


def _classifying_all(config: Config) -> Config:
    return config.model_copy(update={"gate": config.gate.model_copy(update={"refresh_s": 0.001})})


def _round(gated: Bench, every: Bench, jpegs: Sequence[bytes]) -> Round:
    before = gated.crops(), every.crops()
    gated_s, every_s = gated.look(LOOKS), every.look(EVERY_LOOKS)
    began = time.process_time()
    for jpeg in jpegs:
        _decoded(jpeg)
    decode_s = (time.process_time() - began) / len(jpegs)
    return Round(gated_s, gated.crops() - before[0], every_s, every.crops() - before[1], decode_s)


def _print(measured: Sequence[Round], size_px: int) -> None:
    table = Table("processor time of a look", "median, ms", "each round, ms", "crops classified in each")
    rows: tuple[tuple[str, Callable[[Round], float], Callable[[Round], int] | None, int], ...] = (
        ("at rest, with the gate", lambda r: r.gated_s, lambda r: r.gated_crops, LOOKS),
        ("every location in every picture", lambda r: r.every_s, lambda r: r.every_crops, EVERY_LOOKS),
        ("decoding the JPEG, which both need besides", lambda r: r.decode_s, None, 0),
    )
    for name, value, crops, looks in rows:
        times = [1000 * value(r) for r in measured]
        told = f"{', '.join(str(crops(r)) for r in measured)} in {looks} looks" if crops else ""
        table.add_row(name, f"{statistics.median(times):.1f}", ", ".join(f"{t:.1f}" for t in times), told)
    ratios = [r.gated_s / r.every_s for r in measured]
    each = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    table.add_row("ratio (0.1 at most asked)", f"{statistics.median(ratios):.3f}", each, "")
    with_decode = [(r.gated_s + r.decode_s) / (r.every_s + r.decode_s) for r in measured]
    table.add_row("the same with the decoding", f"{statistics.median(with_decode):.3f}", "", "")
    console = Console(width=140)
    console.print(f"ResNet-18, {size_px} px, eight bits; {len(RACK.slots())} locations, 1920 x 1080")
    console.print(table)


def _bundle(work: Path, size_px: int) -> Path:
    photos, model, bundle = work / "photos", work / "run", work / "int8.bundle"
    run("kardus-agent", "simulate", "dataset", photos, "--seed", 9, "--train", 6, "--val", 6)
    options = ("--size", size_px, "--first-size", 0, "--epochs", 1, "--refit", 0, "--clutter", 0)
    run("kardus-train", "fit", photos, "--arch", "resnet18", *options, "--out", model)
    run("kardus-export", "build", model, "--out", bundle, "--precision", "int8", "--max-drop", 100)
    return bundle


def _config(work: Path, bundle: Path) -> Path:
    path = work / "agent.toml"
    path.write_text(
        '[agent]\nsite = "bench"\nname = "box"\ndata_dir = "data"\n'
        f'[model]\nbundle = "{bundle}"\nallow_unsigned = true\nthreads = 1\n\n'
        + camera_toml(RACK, 'type = "folder", path = "none"', interval_s=1.0),
        encoding="utf-8",
    )
    return path


def _jpegs() -> list[bytes]:
    """Pictures of a full rack at rest, as a camera compresses them."""
    rng = generator(9, "at rest")
    names = [stock.name for stock in DrawnPictures().stock()]
    stock: dict[str, str | None] = {slot.location: str(rng.choice(names)) for slot in RACK.slots()}
    shelf = Shelf(RACK, DrawnPictures(), Script(9, PICTURES, stock, {}, ()))
    return [_compressed(shelf.frame(number)) for number in range(PICTURES)]


def _compressed(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _decoded(jpeg: bytes) -> Pixels:
    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image.convert("RGB"))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, int(sys.argv[2]) if len(sys.argv) > 2 else 224)
