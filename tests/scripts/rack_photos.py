"""Photos as cameras see them: each once, standing in a simulated rack, cut out as the harvest does.

What a warehouse has once its cameras have looked for a day (`[harvest]`), labels confirmed: crops of its own cartons in
its own racks, and of its own empty locations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from edge_agent.contract.manifest import EMPTY_CLASS
from edge_agent.files import write_whole
from edge_agent.harvest import crop_of
from edge_agent.simulation.pictures import Stock, draw_unknown, generator
from edge_agent.simulation.scene import Rack
from edge_agent.simulation.script import Change, Kind, Script
from edge_agent.simulation.shelf import Shelf

SEED = 4_000
"""The shelves that are measured on have others."""
EMPTY_SHARE = 0.15
LIGHT = (0.7, 1.25)
"""By which the light of a scene may differ."""


class _Given:
    """Shows photos, each by its own name."""

    def __init__(self, photos: Mapping[str, Path]) -> None:
        self._photos = photos

    def stock(self) -> tuple[Stock, ...]:
        return tuple(Stock(name, name, name) for name in self._photos)

    def show(self, name: str, rng: np.random.Generator) -> Image.Image:  # noqa: ARG002 - each is one photo
        return Image.open(self._photos[name]).convert("RGB")

    def show_unknown(self, rng: np.random.Generator) -> Image.Image:
        return draw_unknown(rng)


def write_rack_photos(folder: Path, photos: Sequence[tuple[Path, str]], rack: Rack) -> list[tuple[Path, str]]:
    """Show each photo (path, class) in one location of a rack, a part of which stays empty; give (crop, class)."""
    folder.mkdir(parents=True, exist_ok=True)
    crops: list[tuple[Path, str]] = []
    for number, scene in enumerate(_scenes(photos, rack)):
        given = {str(index): path for index, (path, _) in enumerate(filter(None, scene))}
        names = iter(given)
        stock = {slot.location: next(names) if shown else None for slot, shown in zip(rack.slots(), scene, strict=True)}
        gain = float(generator(SEED, number, "light").uniform(*LIGHT))
        script = Script(SEED + number, 1, stock, {}, (Change(0, Kind.LIGHT, amount=gain),))
        frame = Image.fromarray(Shelf(rack, _Given(given), script).frame(0))
        for slot, shown in zip(rack.slots(), scene, strict=True):
            path = (folder / f"{number:03d}-{slot.location}.jpg").resolve()
            write_whole(path, crop_of(frame, slot.corners))
            crops.append((path, shown[1] if shown else EMPTY_CLASS))
    return crops


def _scenes(photos: Sequence[tuple[Path, str]], rack: Rack) -> Iterator[list[tuple[Path, str] | None]]:
    """The photos in random order with empty locations among them, a rack of them at a time."""
    rng, places = generator(SEED, "order"), rack.levels * rack.positions
    wanted = int(len(photos) / (1 - EMPTY_SHARE)) + 1
    everything: list[tuple[Path, str] | None] = [*photos, *[None] * (wanted - len(photos))]
    everything += [None] * (-len(everything) % places)
    mixed = [everything[i] for i in rng.permutation(len(everything))]
    for first in range(0, len(mixed), places):
        yield mixed[first : first + places]
