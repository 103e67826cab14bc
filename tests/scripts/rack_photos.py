"""Photos as cameras see them: standing in a simulated rack, cut out as the harvest does.

What a warehouse has once its cameras have looked for a day (`[harvest]`), labels confirmed: crops of its own cartons in
its own racks, and of its own empty locations.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from edge_agent.archive.harvest import upright_jpeg
from kardus.contract.manifest import EMPTY_CLASS
from kardus.support.files import write_whole
from simulator.pictures import Stock, draw_unknown, generator
from simulator.scene import Rack
from simulator.script import Change, ChangeKind, Script
from simulator.shelf import Shelf

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
        with Image.open(self._photos[name]) as photo:
            return photo.convert("RGB")

    def show_unknown(self, rng: np.random.Generator) -> Image.Image:
        return draw_unknown(rng)


@dataclass(frozen=True)
class Crop:
    """One location as a camera saw it."""

    path: Path
    name: str
    photo: Path | None
    """The photo that stands there; None: nothing does."""


def write_rack_photos(
    folder: Path, photos: Sequence[tuple[Path, str]], rack: Rack, showings: int = 1, seed: int = SEED
) -> list[Crop]:
    """Show each photo (path, class) so many times, each time elsewhere in a rack, a part of which stays empty.

    The racks of two seeds look otherwise where these lie further apart than there are scenes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scenes = [scene for showing in range(showings) for scene in _scenes(photos, rack, showing)]
    return [crop for number, scene in enumerate(scenes) for crop in _write_scene(folder, rack, seed, number, scene)]


def _write_scene(
    folder: Path, rack: Rack, seed: int, number: int, scene: Sequence[tuple[Path, str] | None]
) -> Iterator[Crop]:
    given = {str(index): path for index, (path, _) in enumerate(filter(None, scene))}
    names = iter(given)
    stock = {slot.location: next(names) if shown else None for slot, shown in zip(rack.slots(), scene, strict=True)}
    gain = float(generator(seed, number, "light").uniform(*LIGHT))
    script = Script(seed + number, 1, stock, {}, (Change(0, ChangeKind.LIGHT, amount=gain),))
    frame = Image.fromarray(Shelf(rack, _Given(given), script).frame(0))
    for slot, shown in zip(rack.slots(), scene, strict=True):
        path = (folder / f"{number:03d}-{slot.location}.jpg").resolve()
        write_whole(path, upright_jpeg(frame, slot.corners))
        photo, name = shown or (None, EMPTY_CLASS)
        yield Crop(path, name, photo)


def _scenes(photos: Sequence[tuple[Path, str]], rack: Rack, showing: int) -> Iterator[list[tuple[Path, str] | None]]:
    """The photos in random order with empty locations among them, a rack of them at a time."""
    rng, places = generator(SEED, "order", showing), rack.levels * rack.positions
    wanted = int(len(photos) / (1 - EMPTY_SHARE)) + 1
    everything: list[tuple[Path, str] | None] = [*photos, *[None] * (wanted - len(photos))]
    everything += [None] * (-len(everything) % places)
    mixed = [everything[i] for i in rng.permutation(len(everything))]
    for first in range(0, len(mixed), places):
        yield mixed[first : first + places]
