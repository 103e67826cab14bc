"""Which slots are worth a classification: those whose picture has changed, and come to rest, with nothing before them.

A slot is known by its content, a grid of colours taken from the reduced picture, and by its surroundings, a ring of
colours around it. Cartons come and go inside their slots; what stands or walks before a slot covers its surroundings
too. So:

- the content differs from the last picture: the slot is moving, and nothing is said of it until it rests;
- the surroundings differ from what they should be: something stands in front;
- the content differs from when it was last classified: the stock may have changed.

How two looks are compared, so that light and a tremble are no change, is told in `edge_agent.colours`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.colours import Colours, Look, Places, Sight, around_slot, blocks, differences, find_places
from edge_agent.config.sections import GateSection
from edge_agent.geometry import FloatArray, homography, project, rectangle
from edge_agent.preprocess import Pixels

COVERED = 0.04
"""Share of the surroundings from which something stands in front. Stock changes none of them."""
ADAPT_AFTER_S = 600.0
"""Surroundings that stay changed for so long are the shelf's own, where no commissioning picture says otherwise."""
FEWEST_AROUND = 12
"""With fewer places around it that belong to no other slot, a slot's surroundings say nothing."""


@dataclass(frozen=True)
class Decision:
    """What is to be done about a slot."""

    classify: bool
    changed: bool = False
    """Its content isn't what was classified last: earlier looks don't count any more."""
    obstructed: bool = False
    busy: bool = False
    """It moves, or something stands before it: this picture says nothing of its stock."""


@dataclass
class _Memory:
    """What is known of a slot."""

    content: Look | None = None
    """As it was last classified ..."""
    light: Colours | None = None
    """... in the picture's light of then, (3,)."""
    classified_s: float = 0.0
    busy: int = 0
    """For how many pictures in a row it was moving or covered."""


class ChangeGate:
    """Watches the slots of one camera. Owned by one thread."""

    def __init__(self, rules: GateSection, corners: FloatArray) -> None:
        """Prepare for slots with these corners (n, 4, 2); only how they lie to each other matters."""
        self._rules = rules
        self._memories = [_Memory() for _ in corners]
        self._own_places = own_places(corners)
        self._places: Places | None = None
        self._last: Sight | None = None
        self._still: Sight | None = None
        self._is_commissioned = False
        self._covered_since: float | None = None

    def use(self, rules: GateSection) -> None:
        """Other rules."""
        self._rules = rules

    def commission(self, small: Pixels, corners: FloatArray) -> None:
        """Take the surroundings from the commissioning picture, reduced, with the slots' corners in its pixels."""
        self._still = self._see(small, corners)
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
        now = self._see(small, corners)
        light = now.light
        moving = (
            self._differ(now.contents, self._last.contents, light / self._last.light)
            if self._last
            else np.zeros(len(corners), bool)
        )
        covered = self._covered(now, at_s)
        busy = moving | covered
        self._last = now
        return [
            self._be_busy(memory)
            if busy[index]
            else self._at_rest(memory, now.contents.of(index), light, at_s, wanted=wanted[index])
            for index, memory in enumerate(self._memories)
        ]

    def _be_busy(self, memory: _Memory) -> Decision:
        memory.busy += 1
        return Decision(classify=False, obstructed=memory.busy >= self._rules.obstructed_after, busy=True)

    def _at_rest(self, memory: _Memory, content: Look, light: Colours, at_s: float, *, wanted: bool) -> Decision:
        memory.busy = 0
        before, then = memory.content, memory.light
        changed = before is None or then is None or bool(self._differ(content, before, light / then)[0])
        due = at_s - memory.classified_s >= self._rules.refresh_s
        if not (changed or wanted or due):
            return Decision(classify=False)
        memory.content, memory.light, memory.classified_s = content, light, at_s
        return Decision(classify=True, changed=changed)

    def _differ(self, now: Look, before: Look, gain: Colours) -> NDArray[np.bool_]:
        """Which contents differ by more than light, noise and a tremble explain."""
        differs: NDArray[np.bool_] = blocks(differences(now, before, gain)).max(axis=1) > self._rules.change
        return differs

    def _covered(self, now: Sight, at_s: float) -> NDArray[np.bool_]:
        """Before which slots something stands."""
        if self._still is None:
            self._still = now
        rest = differences(now.around, self._still.around, now.light / self._still.light).mean(axis=2)
        changed = (rest > self._rules.change) & self._own_places
        places = self._own_places.sum(axis=1)
        covered: NDArray[np.bool_] = (changed.sum(axis=1) > COVERED * places) & (places >= FEWEST_AROUND)
        self._adapt(now, at_s, is_covered=bool(covered.any()))
        return covered

    def _adapt(self, now: Sight, at_s: float, *, is_covered: bool) -> None:
        """Without a commissioning picture, somebody may have stood in the first one."""
        if not is_covered:
            self._covered_since = None
        elif self._covered_since is None:
            self._covered_since = at_s
        elif at_s - self._covered_since >= ADAPT_AFTER_S and not self._is_commissioned:
            self._still, self._covered_since = now, None

    def _see(self, small: Pixels, corners: FloatArray) -> Sight:
        if self._places is None or not self._places.fit(corners, small.shape):
            self._places = find_places(corners, small.shape)
        return self._places.see(small)


def own_places(corners: FloatArray) -> NDArray[np.bool_]:
    """Which places around each slot lie in no slot: (n, places)."""
    places = np.stack([around_slot(quadrilateral) for quadrilateral in corners])
    free = np.ones(places.shape[:2], bool)
    for quadrilateral in corners:
        to_unit = homography(quadrilateral, rectangle(0, 0, 1, 1))
        inside = project(to_unit, places.reshape(-1, 2)).reshape(places.shape)
        free &= ~((inside > 0) & (inside < 1)).all(axis=2)
    return free
