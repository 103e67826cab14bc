"""What a slot looks like in a reduced picture: a grid of colours inside it, and a ring of colours around it.

Two samples are compared in the light of the later one, since light changes all colours of a channel alike: by a slot's
own gain for each channel, within bounds around the gain of the whole picture. A camera that trembles changes colours as
well, but not beyond those of the pixels around.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from kardus.inference.geometry import Float64Array, homography, project, rectangle
from kardus.inference.preprocess import Pixels

Colours = NDArray[np.float32]
GRID = 20
"""A content is GRID x GRID colours ..."""
BLOCK = 4
"""... and is judged by blocks of BLOCK x BLOCK, so that a flavour word counts, and a pixel's noise doesn't."""
MARGIN = 0.03
"""The content begins so far inside the slot, in shares of its sides."""
RING = (1.06, 1.14)
"""The surroundings, in sizes of the slot."""
RING_SIDE = 10
GAIN_SLACK = 1.4
"""Light falls unevenly: a slot's own gain may differ by this factor from the picture's."""
WHITE = 255.0


@dataclass(frozen=True)
class ColourSample:
    """Colours of places, each (n, places, 3): as they are, and the least and the most of the pixels around each."""

    here: Colours
    least: Colours
    most: Colours

    def replace(self, which: NDArray[np.bool_], others: "ColourSample") -> None:
        """Take some slots (n,) from another sample of them."""
        self.here[which] = others.here[which]
        self.least[which] = others.least[which]
        self.most[which] = others.most[which]


@dataclass(frozen=True)
class SlotColours:
    """One picture's slots."""

    contents: ColourSample
    """(n, GRID * GRID, 3)."""
    around: ColourSample
    """(n, 4 * RING_SIDE * len(RING), 3) ..."""
    places: NDArray[np.intp]
    """... of these pixels, counted row by row, (n, 4 * RING_SIDE * len(RING)) ..."""
    shown: NDArray[np.bool_]
    """... and whether they are the places themselves, and behind no mask: beyond its edge the picture shows others."""

    @cached_property
    def light(self) -> Colours:
        """The picture's light, (3,): the median colour of the rack itself, whatever stands in it."""
        light: Colours = medians(self.around.here.reshape(1, -1, 3))[0] + 1
        return light

    def comparable(self, other: "SlotColours") -> NDArray[np.bool_]:
        """Which places around each slot both pictures show, or show the same in place of, (n, places)."""
        comparable: NDArray[np.bool_] = (self.shown & other.shown) | (self.places == other.places)
        return comparable

    def replace(self, which: NDArray[np.bool_], others: "SlotColours") -> None:
        """Take some slots (n,) from another picture of them."""
        self.contents.replace(which, others.contents)
        self.around.replace(which, others.around)
        self.places[which] = others.places[which]
        self.shown[which] = others.shown[which]
        self.__dict__.pop("light", None)


@dataclass(frozen=True)
class Places:
    """Which pixels of the reduced picture stand for n slots: (n, places), counted row by row."""

    corners: Float64Array
    shape: tuple[int, ...]
    """Of the reduced picture."""
    contents: NDArray[np.intp]
    around: NDArray[np.intp]
    shown: NDArray[np.bool_]
    """Of the places around, which are in the picture, and behind no mask."""

    def fit(self, corners: Float64Array, shape: tuple[int, ...]) -> bool:
        """Whether these are the places of such slots in such a picture; a camera may change its resolution."""
        return self.shape == shape and np.array_equal(self.corners, corners)

    def see(self, small: Pixels) -> SlotColours:
        """The slots in a reduced picture, (h, w, 3) uint8 RGB."""
        spread = [picture.reshape(-1, 3) for picture in (small, *_spread(small))]
        contents = ColourSample(*(pixels.take(self.contents, axis=0).astype(np.float32) for pixels in spread))
        around = ColourSample(*(pixels.take(self.around, axis=0).astype(np.float32) for pixels in spread))
        return SlotColours(contents, around, self.around, self.shown)


def find_places(corners: Float64Array, shape: tuple[int, ...], masked: NDArray[np.bool_] | None = None) -> Places:
    """The places of slots with these corners (n, 4, 2), in a reduced picture of shape (h, w, 3).

    Nothing is seen where it is `masked`, (h, w), nor beyond its edges.
    """
    around = np.stack([around_slot(quadrilateral) for quadrilateral in corners])
    pixels = _pixels(around, shape)
    shown = np.asarray(((around >= 0) & (around < [shape[1], shape[0]])).all(axis=2))
    if masked is not None:
        shown &= ~masked.ravel()[pixels]
    return Places(
        corners, shape, _pixels(np.stack([_content(quadrilateral) for quadrilateral in corners]), shape), pixels, shown
    )


def unseen(slots: int) -> SlotColours:
    """Slots that were not sampled yet: black."""
    ring = 4 * RING_SIDE * len(RING)
    contents, around = (
        ColourSample(*(np.zeros((slots, places, 3), np.float32) for _ in range(3))) for places in (GRID * GRID, ring)
    )
    return SlotColours(contents, around, np.full((slots, ring), -1), np.ones((slots, ring), bool))


def differences(now: ColourSample, before: ColourSample, gain: Colours) -> Colours:
    """By how much each place differs from what it was, in the light of now: (n, places, 3), 0 or more.

    Args:
        now: n slots.
        before: the same slots.
        gain: by what the picture's light has grown since, (3,) or (n, 3).
    """
    ratio = (now.here + 1) / (before.here + 1)
    own = np.clip(medians(ratio), gain / GAIN_SLACK, gain * GAIN_SLACK)[:, None, :]
    clipped = before.most >= WHITE  # it was that bright, or any brighter
    too_dark = np.minimum(before.least * own, WHITE) - now.here
    too_bright = now.here - np.where(clipped, WHITE, np.minimum(before.most * own, WHITE))
    rest: Colours = np.maximum(np.maximum(too_dark, too_bright), 0)
    return rest


def blocks(rest: Colours) -> Colours:
    """Differences of contents, (n, GRID * GRID, 3), as the means of blocks: (n, (GRID / BLOCK) ** 2)."""
    side = GRID // BLOCK
    rows = rest.reshape(-1, side, BLOCK, side * BLOCK * 3).sum(axis=2)  # one axis at a time: far quicker
    means: Colours = rows.reshape(-1, side * side, BLOCK * 3).sum(axis=2) / np.float32(BLOCK * BLOCK * 3)
    return means


def medians(values: Colours) -> Colours:
    """The median of each channel over the places, of (n, places, 3): (n, 3)."""
    ordered = np.ascontiguousarray(values.transpose(0, 2, 1))
    ordered.sort(axis=2)  # numpy sorts a row of numbers in less time than it takes to find their median
    upper = ordered.shape[2] // 2
    lower = upper - 1 + ordered.shape[2] % 2
    middle: Colours = (ordered[:, :, lower] + ordered[:, :, upper]) * np.float32(0.5)
    return middle


def around_slot(corners: Float64Array) -> Float64Array:
    """The places of a slot's surroundings, (4 * RING_SIDE * len(RING), 2)."""
    steps = (np.arange(RING_SIDE) + 0.5) / RING_SIDE - 0.5
    half = np.full(RING_SIDE, 0.5)
    sides = [(steps, -half), (steps, half), (-half, steps), (half, steps)]
    ring = np.concatenate([np.stack(side, axis=1) for side in sides])
    return project(homography(rectangle(-0.5, -0.5, 0.5, 0.5), corners), np.concatenate([size * ring for size in RING]))


def _content(corners: Float64Array) -> Float64Array:
    """The places of a content, (GRID * GRID, 2), row by row."""
    steps = MARGIN + (1 - 2 * MARGIN) * (np.arange(GRID) + 0.5) / GRID
    xs, ys = np.meshgrid(steps, steps)
    return project(homography(rectangle(0, 0, 1, 1), corners), np.stack([xs.ravel(), ys.ravel()], axis=1))


def _pixels(places: Float64Array, shape: tuple[int, ...]) -> NDArray[np.intp]:
    """The pixels of places (n, m, 2), kept inside the picture, counted row by row: (n, m)."""
    rows = np.clip(places[..., 1].astype(np.intp), 0, shape[0] - 1)
    pixels: NDArray[np.intp] = rows * shape[1] + np.clip(places[..., 0].astype(np.intp), 0, shape[1] - 1)
    return pixels


def _spread(small: Pixels) -> tuple[Pixels, Pixels]:
    """The least and the most of each pixel and its eight neighbours: a tremble of a pixel stays between them."""
    return _outermost(np.minimum, small), _outermost(np.maximum, small)


def _outermost(choose: np.ufunc, small: Pixels) -> Pixels:
    of_rows = small.copy()  # and then changed in its place: fresh memory takes longer than the work
    choose(of_rows[1:], small[:-1], out=of_rows[1:])
    choose(of_rows[:-1], small[1:], out=of_rows[:-1])
    found = of_rows.copy()
    choose(found[:, 1:], of_rows[:, :-1], out=found[:, 1:])
    choose(found[:, :-1], of_rows[:, 1:], out=found[:, :-1])
    return found
