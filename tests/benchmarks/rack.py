"""A drawn rack for the benchmarks: 1080p JPEG pictures with any number of locations, and the agent's configuration."""

import functools
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from kardus.inference.bundle import read_bundle
from kardus.inference.geometry import Float64Array
from kardus.mqtt.settings import BrokerSettings
from simulator.pictures import DrawnPictures, generator
from simulator.recording import camera_toml
from simulator.scene import Rack
from simulator.script import Change, Script
from simulator.shelf import Shelf
from tests.benchmarks.opponent import Box
from warehouse.stock.publishing import publish_stock
from warehouse.stock.stock_list import StockLine

SITE = "bench"
GRIDS = {1: (1, 1), 4: (2, 2), 8: (2, 4), 15: (3, 5), 16: (4, 4), 24: (4, 6), 64: (8, 8), 128: (8, 16), 256: (16, 16)}
"""Levels and positions for a number of locations."""
ONLY_ONCE_S = 86_400.0
"""A reader with this interval looks once, and then when it is told to."""
ALWAYS = "[gate]\nrefresh_s = 0.001\n[verdict]\nvalid_for_s = 0.001\nvotes = 1\nwindow = 1\n"
"""Every location is classified in every picture, judged, and told."""


@dataclass(frozen=True)
class Bench:
    """Racks of as many locations, one before each camera."""

    locations: int
    cameras: int = 1

    @property
    def racks(self) -> tuple[Rack, ...]:
        """One a camera."""
        levels, positions = GRIDS[self.locations]
        return tuple(Rack(levels, positions, bay=number + 1) for number in range(self.cameras))

    @property
    def names(self) -> list[str]:
        """Every location."""
        return [slot.location for rack in self.racks for slot in rack.slots()]

    def corners(self) -> Float64Array:
        """Where the first rack's locations are: (locations, 4, 2) pixels."""
        return np.stack([slot.corners for slot in self.racks[0].slots()])

    def boxes(self) -> dict[str, Box]:
        """The upright boxes around them: what the script crops."""
        corners = self.corners().round().astype(int)
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1).tolist()
        return {name: (box[0], box[1], box[2], box[3]) for name, box in zip(self.names, boxes, strict=True)}

    def shelf(self, frames: int = 2, changes: Sequence[Change] = ()) -> Shelf:
        """The first rack, full of cartons."""
        return _shelf(self.racks[0], frames, tuple(changes))

    def write_config(self, folder: Path, port: int, bundle: Path, rules: str = "", *, threads: int = 0) -> Path:
        """An agent that reads `picture_of` every camera when it is told to."""
        cameras = [
            camera_toml(
                rack, f'type = "file", path = "{picture_of(folder.resolve(), number)}"', f"c{number}", ONLY_ONCE_S
            )
            for number, rack in enumerate(self.racks)
        ]
        path = folder / "agent.toml"
        path.write_text(
            f'[agent]\nsite = "{SITE}"\nname = "box"\ndata_dir = "data"\n[evidence]\nmax_mb = 0\n'
            f'[model]\nbundle = "{bundle}"\nthreads = {threads}\nallow_unsigned = true\n'
            + "".join(f'trust = ["{key}"]\n' for key in read_bundle(bundle).signed_by[:1])
            + f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n{rules}\n'
            + "\n".join(cameras),
            encoding="utf-8",
        )
        return path

    def expect(self, port: int, shelf: Shelf) -> None:
        """Let the WMS side say what stands there."""
        skus = shelf.skus()
        stock: Mapping[str, str | None] = shelf.script.stock
        products = [skus[name] if name else None for name in stock.values()] * self.cameras
        lines = [StockLine(location, sku) for location, sku in zip(self.names, products, strict=True)]
        publish_stock(BrokerSettings("127.0.0.1", port), SITE, lines, replace=False)


def picture_of(folder: Path, camera: int = 0) -> Path:
    """The file that a camera's picture is read from."""
    return folder / f"camera-{camera}.jpg"


@functools.cache
def _shelf(rack: Rack, frames: int, changes: tuple[Change, ...]) -> Shelf:
    rng = generator(7, "benchmark")
    stock = DrawnPictures().stock()
    names = {slot.location: stock[int(rng.integers(len(stock)))].name for slot in rack.slots()}
    return Shelf(rack, DrawnPictures(), Script(5, frames, dict(names), {}, changes))


@functools.cache
def jpeg(shelf: Shelf, number: int) -> bytes:
    """A frame as a camera would send it."""
    buffer = io.BytesIO()
    Image.fromarray(shelf.frame(number)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
