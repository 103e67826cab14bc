"""Which slots are worth a classification: those whose picture has changed, and come to rest, with nothing before them.

A slot is known by its content, a grid of colours taken from the reduced picture, and by its surroundings, a ring of
colours around it. Cartons come and go inside their slots; what stands or walks before a slot covers its surroundings
too. So:

- the content differs from the last picture: the slot is moving, and nothing is said of it until it rests;
- the surroundings differ from what they should be: something stands in front;
- the content differs from when it was last classified: the stock may have changed.

Light changes colours too, but all of a channel alike: colours are compared after a slot's own gain for each channel,
within bounds around the gain of the whole picture. A camera that trembles changes colours as well, but not beyond those
of the pixels around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.config.sections import GateSection
from edge_agent.geometry import FloatArray, homography, project, rectangle
from edge_agent.preprocess import Pixels

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
COVERED = 0.04
"""Share of the surroundings from which something stands in front. Stock changes none of them."""
ADAPT_AFTER_S = 600.0
"""Surroundings that stay changed for so long are the shelf's own, where no commissioning picture says otherwise."""
FEWEST_AROUND = 12
"""With fewer places around it that belong to no other slot, a slot's surroundings say nothing."""
GAIN_SLACK = 1.4
"""Light falls unevenly: a slot's own gain may differ by this factor from the picture's."""
WHITE = 255.0


@dataclass(frozen=True)
class Decision:
    """What is to be done about a slot."""

    classify: bool
    changed: bool = False
    """Its content isn't what was classified last: earlier looks don't count any more."""
    obstructed: bool = False


@dataclass(frozen=True)
class _Colours:
    """Colours of places, each (n, places, 3): as they are, and the least and the most of the pixels around each."""

    here: Colours
    least: Colours
    most: Colours

    def of(self, index: int) -> _Colours:
        """Those of one slot, (1, places, 3)."""
        one = slice(index, index + 1)
        return _Colours(self.here[one], self.least[one], self.most[one])


@dataclass
class _Memory:
    """What is known of a slot."""

    content: _Colours | None = None
    """As it was last classified."""
    classified_s: float = 0.0
    busy: int = 0
    """For how many pictures in a row it was moving or covered."""


@dataclass(frozen=True)
class _Places:
    """Which pixels of the reduced picture stand for the slots: rows and columns."""

    corners: FloatArray
    contents: tuple[NDArray[np.intp], NDArray[np.intp]]
    """Each (n, GRID * GRID)."""
    around: tuple[NDArray[np.intp], NDArray[np.intp]]
    """Each (n, 4 * RING_SIDE * len(RING))."""


@dataclass(frozen=True)
class _Sight:
    """One picture's slots."""

    contents: _Colours
    around: _Colours


class ChangeGate:
    """Watches the slots of one camera. Owned by one thread."""

    def __init__(self, rules: GateSection, corners: FloatArray) -> None:
        """Prepare for slots with these corners (n, 4, 2); only how they lie to each other matters."""
        self._rules = rules
        self._memories = [_Memory() for _ in corners]
        self._own_places = own_places(corners)
        self._places: _Places | None = None
        self._last: _Sight | None = None
        self._still: _Sight | None = None
        self._is_commissioned = False
        self._covered_since: float | None = None

    def commission(self, small: Pixels, corners: FloatArray) -> None:
        """Take the surroundings from the commissioning picture, reduced, with the slots' corners in its pixels."""
        self._still = self._sight(small, corners)
        self._is_commissioned = True

    def forget(self) -> None:
        """Nothing that was seen counts any more: the view was lost."""
        self._last = None
        self._memories = [_Memory() for _ in self._memories]

    def decide(self, small: Pixels, corners: FloatArray, at_s: float, wanted: Sequence[bool]) -> list[Decision]:
        """What is to be done about each slot.

        Args:
            small: the reduced picture, (h, w, 3) uint8 RGB.
            corners: where the slots are in it, (n, 4, 2).
            at_s: when it was taken.
            wanted: which slots are to be classified for other reasons as soon as they rest.
        """
        now = self._sight(small, corners)
        moving = self._differ(now.contents, self._last.contents) if self._last else np.zeros(len(corners), bool)
        covered = self._covered(now, at_s)
        busy = moving | covered
        self._last = now
        return [
            self._be_busy(memory)
            if busy[index]
            else self._at_rest(memory, now.contents.of(index), at_s, wanted=wanted[index])
            for index, memory in enumerate(self._memories)
        ]

    def _be_busy(self, memory: _Memory) -> Decision:
        memory.busy += 1
        return Decision(classify=False, obstructed=memory.busy >= self._rules.obstructed_after)

    def _at_rest(self, memory: _Memory, content: _Colours, at_s: float, *, wanted: bool) -> Decision:
        memory.busy = 0
        changed = memory.content is None or bool(self._differ(content, memory.content)[0])
        due = at_s - memory.classified_s >= self._rules.refresh_s
        if not (changed or wanted or due):
            return Decision(classify=False)
        memory.content, memory.classified_s = content, at_s
        return Decision(classify=True, changed=changed)

    def _differ(self, now: _Colours, before: _Colours) -> NDArray[np.bool_]:
        """Which contents differ by more than light, noise and a tremble explain."""
        blocks = _rest(now, before).reshape(-1, GRID // BLOCK, BLOCK, GRID // BLOCK, BLOCK, 3).mean(axis=(2, 4, 5))
        differs: NDArray[np.bool_] = blocks.max(axis=(1, 2)) > self._rules.change
        return differs

    def _covered(self, now: _Sight, at_s: float) -> NDArray[np.bool_]:
        """Before which slots something stands."""
        if self._still is None:
            self._still = now
        rest = _rest(now.around, self._still.around).mean(axis=2)
        changed = (rest > self._rules.change) & self._own_places
        places = self._own_places.sum(axis=1)
        covered: NDArray[np.bool_] = (changed.sum(axis=1) > COVERED * places) & (places >= FEWEST_AROUND)
        self._adapt(now, at_s, is_covered=bool(covered.any()))
        return covered

    def _adapt(self, now: _Sight, at_s: float, *, is_covered: bool) -> None:
        """Without a commissioning picture, somebody may have stood in the first one."""
        if not is_covered:
            self._covered_since = None
        elif self._covered_since is None:
            self._covered_since = at_s
        elif at_s - self._covered_since >= ADAPT_AFTER_S and not self._is_commissioned:
            self._still, self._covered_since = now, None

    def _sight(self, small: Pixels, corners: FloatArray) -> _Sight:
        if self._places is None or not np.array_equal(self._places.corners, corners):
            self._places = _find_places(corners, small.shape)
        spread = (small, *_spread(small))
        contents = _Colours(*(picture[self._places.contents].astype(np.float32) for picture in spread))
        around = _Colours(*(picture[self._places.around].astype(np.float32) for picture in spread))
        return _Sight(contents, around)


def own_places(corners: FloatArray) -> NDArray[np.bool_]:
    """Which places around each slot lie in no slot: (n, places)."""
    places = np.stack([_around(quadrilateral) for quadrilateral in corners])
    free = np.ones(places.shape[:2], bool)
    for quadrilateral in corners:
        to_unit = homography(quadrilateral, rectangle(0, 0, 1, 1))
        inside = project(to_unit, places.reshape(-1, 2)).reshape(places.shape)
        free &= ~((inside > 0) & (inside < 1)).all(axis=2)
    return free


def _find_places(corners: FloatArray, shape: tuple[int, ...]) -> _Places:
    return _Places(
        corners,
        _pixels(np.stack([_content(quadrilateral) for quadrilateral in corners]), shape),
        _pixels(np.stack([_around(quadrilateral) for quadrilateral in corners]), shape),
    )


def _pixels(places: FloatArray, shape: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of places (n, m, 2), kept inside the picture."""
    rows = np.clip(places[..., 1].astype(np.intp), 0, shape[0] - 1)
    return rows, np.clip(places[..., 0].astype(np.intp), 0, shape[1] - 1)


def _content(corners: FloatArray) -> FloatArray:
    """The places of a content, (GRID * GRID, 2), row by row."""
    steps = MARGIN + (1 - 2 * MARGIN) * (np.arange(GRID) + 0.5) / GRID
    xs, ys = np.meshgrid(steps, steps)
    return project(homography(rectangle(0, 0, 1, 1), corners), np.stack([xs.ravel(), ys.ravel()], axis=1))


def _around(corners: FloatArray) -> FloatArray:
    """The places of the surroundings, (4 * RING_SIDE * len(RING), 2)."""
    steps = (np.arange(RING_SIDE) + 0.5) / RING_SIDE - 0.5
    half = np.full(RING_SIDE, 0.5)
    sides = [(steps, -half), (steps, half), (-half, steps), (half, steps)]
    ring = np.concatenate([np.stack(side, axis=1) for side in sides])
    return project(homography(rectangle(-0.5, -0.5, 0.5, 0.5), corners), np.concatenate([size * ring for size in RING]))


def _spread(small: Pixels) -> tuple[Pixels, Pixels]:
    """The least and the most of each pixel and its eight neighbours: a tremble of a pixel stays between them."""
    least = most = np.pad(small, ((1, 1), (1, 1), (0, 0)), mode="edge")
    least = np.minimum(np.minimum(least[:-2], least[1:-1]), least[2:])
    most = np.maximum(np.maximum(most[:-2], most[1:-1]), most[2:])
    return (
        np.minimum(np.minimum(least[:, :-2], least[:, 1:-1]), least[:, 2:]),
        np.maximum(np.maximum(most[:, :-2], most[:, 1:-1]), most[:, 2:]),
    )


def _rest(now: _Colours, before: _Colours) -> Colours:
    """By how much each place differs from what it was, in the light of now: (n, places, 3), 0 or more."""
    ratio = (now.here + 1) / (before.here + 1)
    whole = np.median(ratio.reshape(-1, 3), axis=0)
    own = np.clip(np.median(ratio, axis=1), whole / GAIN_SLACK, whole * GAIN_SLACK)[:, None, :]
    too_dark = np.minimum(before.least * own, WHITE) - now.here
    too_bright = now.here - np.minimum(before.most * own, WHITE)
    rest: Colours = np.maximum(np.maximum(too_dark, too_bright), 0)
    return rest
