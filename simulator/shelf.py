"""Plays a script: renders each frame of the rack as the camera would deliver it."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from kardus.support.errors import DataError
from simulator.effects import light_gain, worn
from simulator.pictures import Pictures, generator
from simulator.scene import Rack, RackCell, put_carton, put_recess
from simulator.script import ChangeKind, Content, Script
from simulator.spoiling import spoil

NOISE = 3.0
"""Standard deviation of the sensor's noise, on the 0..255 scale."""
WORN = 0.4
"""How often tape, scuffs and covers occur on a shelf, against 1 in training photos."""
BODY = 0.055
"""Half the width of someone who walks past, in shares of the picture's."""


class Shelf:
    """Renders the frames of a script. The same script and pictures give the same frames."""

    def __init__(self, rack: Rack, pictures: Pictures, script: Script, script_name: str = "the script") -> None:
        """Draw the bare rack and prepare the sensor's noise. `script_name` is what errors call the script.

        Raises:
            DataError: the script names a location that the rack hasn't, or a class that the pictures can't show.
        """
        _check_fit(rack, pictures, script, script_name)
        self.rack = rack
        self.script = script
        self._pictures = pictures
        self._slots = {slot.location: slot for slot in rack.slots()}
        self._bare = rack.background(generator(script.seed, "rack"))
        self._cells: dict[tuple[str, Content], tuple[Image.Image, tuple[int, int]]] = {}
        self._gain, self._noise = _light_and_noise(script.seed, rack.height_px, rack.width_px)
        self._still: tuple[tuple[object, ...], NDArray[np.int16]] | None = None

    def frame(self, number: int) -> NDArray[np.uint8]:
        """Frame `number` (from 0) as (height, width, 3) uint8 RGB; new sensor noise in each, unless it is frozen.

        A camera that is dead gives no picture: ask the script first (`Script.spoiled`).
        """
        trouble = self.script.spoiled(number)
        if trouble is not None and trouble.kind is ChangeKind.FROZEN and trouble.frame:
            return self.frame(trouble.frame - 1)
        picture = self._lit_scene(number)
        walker = self._walker(number)
        if walker is not None:
            image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
            _draw_person(image, walker)
            picture = np.asarray(image, dtype=np.int16)
        if trouble is not None:
            picture = spoil(picture, trouble)
        rng = generator(self.script.seed, "frame", number)
        shift = int(rng.integers(self._noise.shape[0])), int(rng.integers(self._noise.shape[1]))
        noisy = picture + np.roll(self._noise, shift, axis=(0, 1))
        return noisy.clip(0, 255).astype(np.uint8)

    def skus(self) -> dict[str, str]:
        """The SKU of each class that the pictures can show."""
        return {stock.name: stock.sku for stock in self._pictures.stock()}

    def _lit_scene(self, number: int) -> NDArray[np.int16]:
        """The rack with its stock in the present light, kept until something changes."""
        contents = self.script.contents(number)
        gain = float(np.prod([change.amount for change in self.script.active(ChangeKind.LIGHT, number)]))
        bump = sum(change.amount for change in self.script.active(ChangeKind.BUMP, number))
        key = (tuple(contents.items()), gain, bump)
        if self._still is None or self._still[0] != key:
            scene = self._scene(contents)
            if bump:
                scene = scene.transform(scene.size, Image.Transform.AFFINE, (1, 0, bump, 0, 1, -bump / 2))
            lit = np.asarray(scene.filter(ImageFilter.GaussianBlur(0.6)), dtype=np.float32) * self._gain * gain
            self._still = key, lit.astype(np.int16)
        return self._still[1]

    def _scene(self, contents: dict[str, Content]) -> Image.Image:
        scene = self._bare.copy()
        for location, content in contents.items():
            cell, corner = self._cell(self._slots[location], content)
            scene.paste(cell, corner)
        self._cells = {key: cell for key, cell in self._cells.items() if contents[key[0]] == key[1]}
        return scene

    def _cell(self, slot: RackCell, content: Content) -> tuple[Image.Image, tuple[int, int]]:
        """One location with what stands in it, and where it belongs in the frame; drawn once."""
        key = (slot.location, content)
        if key not in self._cells:
            left, top = (int(v) for v in np.floor(slot.corners.min(axis=0)) - 14)
            right, bottom = (int(v) for v in np.ceil(slot.corners.max(axis=0)) + 14)
            cell = self._bare.crop((left, top, right, bottom))
            self._fill(cell, RackCell(slot.location, slot.corners - [left, top]), content)
            self._cells[key] = cell, (left, top)
        return self._cells[key]

    def _fill(self, cell: Image.Image, slot: RackCell, content: Content) -> None:
        rng = generator(self.script.seed, slot.location, content.since)
        put_recess(cell, slot.corners, generator(self.script.seed, slot.location))
        if content.unknown:
            put_carton(cell, worn(self._pictures.show_unknown(rng), rng, WORN), slot.corners, rng)
        elif content.name is not None:
            put_carton(cell, worn(self._pictures.show(content.name, rng), rng, WORN), slot.corners, rng)

    def _walker(self, number: int) -> float | None:
        """Where someone walking past stands, as a share of the picture's width; None when nobody does."""
        for change in self.script.active(ChangeKind.WALK_PAST, number):
            done = (number - change.frame) / change.amount
            if done <= 1:
                return -0.1 + 1.2 * done
        return None


@lru_cache(maxsize=1)  # six million random numbers, and one shelf after another is drawn with the same seed
def _light_and_noise(seed: int, height: int, width: int) -> tuple[np.ndarray, NDArray[np.int16]]:
    """A gain and the sensor's noise for every pixel and channel, shape (height, width, 3), read-only."""
    gain = light_gain((height, width), generator(seed, "light"), 0.5)
    noise = generator(seed, "noise").normal(0.0, NOISE, (height, width, 3)).round().astype(np.int16)
    gain.flags.writeable = noise.flags.writeable = False
    return gain, noise


def _check_fit(rack: Rack, pictures: Pictures, script: Script, script_name: str) -> None:
    locations = {slot.location for slot in rack.slots()}
    names = {stock.name for stock in pictures.stock()}
    strange = script.locations() - locations
    if strange:
        raise DataError(f"{script_name}: location {min(strange)!r} isn't on the rack: correct the script")
    foreign = script.class_names() - names
    if foreign:
        raise DataError(f"{script_name}: there is no picture of class {min(foreign)!r}: correct the script")


def _draw_person(image: Image.Image, across: float) -> None:
    draw = ImageDraw.Draw(image)
    width, height = image.size
    x, body = across * width, BODY * width
    draw.rounded_rectangle((x - body, 0.26 * height, x + body, 1.05 * height), 60, fill=(236, 122, 30))
    draw.rectangle((x - body, 0.5 * height, x + body, 0.54 * height), fill=(226, 226, 210))
    draw.rectangle((x - body, 0.66 * height, x + body, 1.05 * height), fill=(40, 44, 60))
    head = 0.028 * width
    draw.ellipse((x - head, 0.14 * height, x + head, 0.27 * height), fill=(150, 110, 86))
    draw.pieslice((x - 1.15 * head, 0.11 * height, x + 1.15 * head, 0.27 * height), 180, 360, fill=(240, 200, 30))
