"""The labels of a rack's locations: printed codes on the beam below or above each opening, some of them damaged."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from kardus.inference.geometry import Float64Array, project, rectangle
from simulator.printing import Modules, Symbology, print_code, stick

Side = Literal["below", "above"]


@dataclass(frozen=True)
class RackLabels:
    """How a rack's labels are printed."""

    symbology: Symbology = "code128"
    module_px: float = 3.0
    """The width of a module, in pixels of the picture, where it is seen straight."""
    side: Side = "below"
    """On which beam of its opening a label sticks."""
    content: str = "{code}"
    """What a label says, with the location's code in it: `(414)8991234500017(254){code}`."""
    damaged: frozenset[str] = frozenset()
    """Codes of the locations whose label is torn, scratched or smeared."""

    def printed(self, code: str, rng: np.random.Generator) -> Modules:
        """A location's label, damaged where it is."""
        modules = print_code(self.content.format(code=code), self.symbology).modules
        return damage(modules, rng) if code in self.damaged else modules


def damage(modules: Modules, rng: np.random.Generator) -> Modules:
    """A printed code of which a part is torn off, covered by a dark smear, or printed over."""
    height, width = modules.shape
    spoilt = modules.copy()
    kind = rng.integers(3)
    start, length = int(rng.uniform(0.2, 0.4) * width), int(rng.uniform(0.25, 0.4) * width)
    part = spoilt[:, start : start + length]
    if kind == 0:
        part[:] = 255
    elif kind == 1:
        part[:] = rng.choice(np.array([0, 40], np.uint8))
    else:
        part[:] = np.where(rng.integers(2, size=(height, length)) == 0, part, 255 - part)
    if height == width:  # a matrix code heals a quarter of itself
        spoilt[: height // 2, width // 3 :] = 255
    return spoilt


def stick_label(image: Image.Image, modules: Modules, view: Float64Array, place: Float64Array) -> None:
    """Put a label into a picture; `place` (4, 2) is where it sticks on the rack, `view` brings the rack there."""
    stick(image, modules, project(view, place))


def label_place(modules: Modules, centre: tuple[float, float], module: tuple[float, float]) -> Float64Array:
    """The corners (4, 2) of a label around a centre, with modules of this width and height, all in one unit."""
    (x, y), half_width, half_height = centre, modules.shape[1] * module[0] / 2, modules.shape[0] * module[1] / 2
    return rectangle(x - half_width, y - half_height, x + half_width, y + half_height)
