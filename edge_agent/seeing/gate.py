"""Which slots are worth a classification: those whose picture has changed, and come to rest, with nothing before them.

A slot is known by its content, a grid of colours taken from the reduced picture, and by its surroundings, a ring of
colours around it. Cartons come and go inside their slots; what stands or walks before a slot covers its surroundings
too. So:

- the content differs from the last picture: the slot is moving, and nothing is said of it until it rests;
- the surroundings differ from what they should be: something stands in front;
- the content differs from when it was last classified: the stock may have changed.

How two samples are compared, so that light and a tremble are no change, is told in `edge_agent.seeing.colours`. What
differs all the same is held against the light of its own neighbourhood (`edge_agent.seeing.local_light`): a lamp that
is out, a shadow and another gamma change what stands in a slot and what is around it alike.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_agent.config.sections import GateSection
from edge_agent.records import Activity
from edge_agent.seeing.colours import (
    Colours,
    ColourSample,
    Places,
    SlotColours,
    around_slot,
    blocks,
    differences,
    find_places,
    unseen,
)
from edge_agent.seeing.local_light import RelitSlots, held_against
from edge_agent.seeing.mask import Mask
from kardus.inference.geometry import Float64Array, homography, project, rectangle
from kardus.inference.preprocess import Pixels

COVERED = 0.04
"""Share of the surroundings from which something stands in front. Stock changes none of them."""
COVERED_WHATEVER_THE_LIGHT = 0.07
"""The same share, of what no light explains: the edges of shadows leave a little."""
ADAPT_AFTER_S = 600.0
"""Surroundings that stay changed for so long are the shelf's own, where no commissioning picture says otherwise."""
MIN_CELLS_AROUND = 12
"""With fewer places around it that belong to no other slot, a slot's surroundings say nothing."""
USUAL_AROUND = 40
"""Where there are fewer, a share of so many has to have changed: one or two are a label."""
SETTLES_S = 24.0
"""Where the surroundings are lit otherwise, and the content differs too, somebody in a plain coat may stand there: they
have to rest for so long. With the votes after it, what changed is told within 30 s, as after a doubt in a view."""
MAX_FRAME_GAP_S = 10.0
"""A rest is counted only while pictures are no further apart, as they are in a doubt; a longer gap begins it anew."""
OBSTACLE_STAYS_S = 60.0
"""What stands before a slot and hasn't moved for so long is looked at as what rests: its going is seen all the same."""
HIDDEN = 0.5
"""From this share of the slots on that are covered, what changes in the others is covered too, by the same thing: a
camera's menu, a truck."""
MIN_HIDDEN = 3
"""It takes so many slots."""
RELIT = 0.14
"""By so much (a logarithm of levels: 15 %) a channel around a slot has to differ, for its light to be another one."""


class _Memory:
    """What is known of n slots."""

    def __init__(self, slots: int) -> None:
        self.seen = unseen(slots)
        """As each was last classified ..."""
        self.light = np.ones((slots, 3), np.float32)
        """... in the picture's light of then."""
        self.first_light = np.ones((slots, 3), np.float32)
        """The light around each when its present content was first classified."""
        self.known = np.zeros(slots, bool)
        """Which were classified before."""
        self.classified_s = np.zeros(slots)
        self.busy = np.zeros(slots, int)
        """For how many pictures in a row each was moving or covered."""
        self.covered_s = np.zeros(slots)
        """Since when something has stood before each that is busy, without a movement."""
        self.restless_s = np.full(slots, -np.inf)
        """When each last moved."""
        self.settling = np.zeros(slots, bool)
        """Which have to rest before they are looked at."""


class ChangeGate:
    """Watches the slots of one camera. Owned by one thread."""

    def __init__(self, rules: GateSection, corners: Float64Array, mask: Mask | None = None) -> None:
        """Prepare for slots with these corners (n, 4, 2); only how they lie to each other matters."""
        self._rules = rules
        self._mask = mask or Mask()
        self._memory = _Memory(len(corners))
        self._own_places = own_places(corners)
        self._places: Places | None = None
        self._last: SlotColours | None = None
        self._last_s = self._unbroken_since_s = -np.inf
        self._last_light = np.ones(3, np.float32)
        self._still: SlotColours | None = None
        self._is_commissioned = False
        self._covered_since: float | None = None

    def apply_settings(self, rules: GateSection) -> None:
        """Take a reloaded `[gate]`; what was seen is kept."""
        self._rules = rules

    def commission(self, small: Pixels, corners: Float64Array) -> None:
        """Take the surroundings from the commissioning picture, reduced, with the slots' corners in its pixels."""
        self._still = self._see(small, corners)
        self._is_commissioned = True

    def forget(self) -> None:
        """Nothing that was seen counts any more: the view was lost."""
        self._last = None
        self._memory = _Memory(len(self._memory.known))

    def begin_anew(self) -> None:
        """Not even the surroundings count any more that were taken from the first picture."""
        self.forget()
        if not self._is_commissioned:
            self._still, self._covered_since = None, None

    def due(self, at_s: float) -> NDArray[np.bool_]:
        """Which slots are to be classified once they rest, though nothing changes (n,)."""
        due: NDArray[np.bool_] = at_s - self._memory.classified_s >= self._rules.refresh_s
        return due

    def decide(self, small: Pixels, corners: Float64Array, at_s: float, wanted: Sequence[bool]) -> list[Activity]:
        """What happens in each slot, and whether it is to be classified.

        Args:
            small: the reduced picture, (h, w, 3) uint8 RGB.
            corners: where the slots are in it, (n, 4, 2).
            at_s: when it was taken.
            wanted: which slots are to be classified for other reasons as soon as they rest.
        """
        now = self._see(small, corners)
        memory, light = self._memory, now.light
        had_to_rest = memory.settling
        moving = self._moving(now, light)
        memory.restless_s[moving] = at_s
        if at_s - self._last_s > MAX_FRAME_GAP_S:
            self._unbroken_since_s = at_s
        changed = self._differ(now.contents, memory.seen.contents, light / memory.light)
        covered = self._covered(now, light, at_s)
        busy = moving | covered
        self._last, self._last_light, self._last_s = now, light, at_s
        due = changed | ~memory.known | self.due(at_s) | np.asarray(wanted, bool)
        classify = ~busy & due
        relit, changed = self._relit(now, changed, classify) if classify.any() else (classify, changed)
        self._remember(classify, now, light, at_s)
        memory.covered_s = np.where(busy & ~moving & (memory.busy > 0), memory.covered_s, at_s)
        memory.busy = np.where(busy, memory.busy + 1, 0)
        obstructed = busy & (memory.busy >= self._rules.obstructed_after)
        rested_s = np.where(had_to_rest & classify & changed, min(SETTLES_S, at_s - self._unbroken_since_s), 0.0)
        return [
            Activity(
                classify=bool(classify[slot]),
                changed=bool(classify[slot] and changed[slot]),
                obstructed=bool(obstructed[slot]),
                busy=bool(busy[slot]),
                settled=bool(busy[slot] and at_s - memory.covered_s[slot] >= OBSTACLE_STAYS_S),
                relit=bool(relit[slot]),
                rested_s=float(rested_s[slot]),
            )
            for slot in range(len(busy))
        ]

    def _remember(self, classified: NDArray[np.bool_], now: SlotColours, light: Colours, at_s: float) -> None:
        self._memory.seen.replace(classified, now)
        self._memory.light[classified] = light
        self._memory.classified_s[classified] = at_s
        self._memory.known |= classified

    def _relit(
        self, now: SlotColours, changed: NDArray[np.bool_], classified: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which slots hold what they held, in another light than when that was first seen; and which really changed."""
        memory, light = self._memory, self._light_around(now, classified)
        another: NDArray[np.bool_] = np.abs(np.log(light / memory.first_light)).max(axis=1) > RELIT
        another &= memory.known & classified
        if changed.any() and another.any():  # where the light of some changes, the picture's says little of the others
            changed = changed & self._much(self._lit(now, memory.seen).crossed)
        changed = changed | ~memory.known
        memory.first_light[changed & classified] = light[changed & classified]
        return another & ~changed, changed

    def _light_around(self, now: SlotColours, which: NDArray[np.bool_]) -> Colours:
        """The median colour around some slots, of places that lie in none; the whole picture's for others: (n, 3)."""
        light = np.repeat(now.light[None], len(which), axis=0)
        own = self._own_places & now.shown
        for slot in np.flatnonzero(which & (own.sum(axis=1) >= MIN_CELLS_AROUND)):
            light[slot] = np.median(now.around.here[slot][own[slot]], axis=0) + 1
        return light

    def _differ(self, now: ColourSample, before: ColourSample, gain: Colours) -> NDArray[np.bool_]:
        """Which contents differ by more than the picture's light, noise and a tremble explain."""
        return self._much(differences(now, before, gain))

    def _much(self, rest: Colours) -> NDArray[np.bool_]:
        """Of which contents so much is left unexplained, (n, GRID * GRID, 3), that they differ."""
        much: NDArray[np.bool_] = blocks(rest).max(axis=1) > self._rules.change
        return much

    def _moving(self, now: SlotColours, light: Colours) -> NDArray[np.bool_]:
        """Which contents differ from the last picture's."""
        if self._last is None:
            return np.zeros(len(self._own_places), bool)
        moving = self._differ(now.contents, self._last.contents, light / self._last_light)
        if moving.any() and self._own_places.any():
            lit, own = self._lit(now, self._last), self._own(now, self._last)
            moving &= self._much(lit.contents) | self._stand_out(lit.around, own, COVERED_WHATEVER_THE_LIGHT)
        return moving

    def _lit(self, now: SlotColours, before: SlotColours) -> RelitSlots:
        return held_against(now, before, self._own(now, before))

    def _own(self, now: SlotColours, before: SlotColours) -> NDArray[np.bool_]:
        """Which places around each slot lie in no slot, and can be compared: a nudge takes some out of sight."""
        return self._own_places & now.comparable(before)

    def _stand_out(self, rest: Colours, own: NDArray[np.bool_], share: float = COVERED) -> NDArray[np.bool_]:
        """In whose `own` surroundings so much is left unexplained, (n, places, 3), that something is before them."""
        changed = (rest.mean(axis=2) > self._rules.change) & own
        places = own.sum(axis=1)
        least = share * np.maximum(places, USUAL_AROUND)
        stands: NDArray[np.bool_] = (changed.sum(axis=1) > least) & (places >= MIN_CELLS_AROUND)
        return stands

    def _covered(self, now: SlotColours, light: Colours, at_s: float) -> NDArray[np.bool_]:
        """Before which slots something stands."""
        if self._still is None:
            self._still = now
        rest = differences(now.around, self._still.around, light / self._still.light)
        covered = self._stand_out(rest, self._own(now, self._still))
        self._memory.settling = np.zeros(len(covered), bool)
        if covered.any():
            covered = self._before_in_any_light(now, self._still, covered, at_s)
        self._adapt(now, at_s, is_covered=bool(covered.any()))
        return covered

    def _before_in_any_light(
        self, now: SlotColours, still: SlotColours, suspects: NDArray[np.bool_], at_s: float
    ) -> NDArray[np.bool_]:
        """Before which of the suspects something really stands, and what is hidden with them."""
        memory = self._memory
        around = self._lit(now, still).around
        covered = suspects & self._stand_out(around, self._own(now, still), COVERED_WHATEVER_THE_LIGHT)
        differs = self._much(self._lit(now, memory.seen).contents) & memory.known
        memory.settling = suspects & differs & (at_s - memory.restless_s < SETTLES_S)
        covered |= memory.settling
        if covered.sum() >= max(MIN_HIDDEN, HIDDEN * len(covered)):
            covered |= differs
        return covered

    def _adapt(self, now: SlotColours, at_s: float, *, is_covered: bool) -> None:
        """Without a commissioning picture, somebody may have stood in the first one."""
        if not is_covered:
            self._covered_since = None
        elif self._covered_since is None:
            self._covered_since = at_s
        elif at_s - self._covered_since >= ADAPT_AFTER_S and not self._is_commissioned:
            self._still, self._covered_since = now, None

    def _see(self, small: Pixels, corners: Float64Array) -> SlotColours:
        if self._places is None or not self._places.fit(corners, small.shape):
            masked = self._mask.over(small.shape[1], small.shape[0]) if self._mask.areas else None
            self._places = find_places(corners, small.shape, masked)
        return self._places.see(small)


def own_places(corners: Float64Array) -> NDArray[np.bool_]:
    """Which places around each slot lie in no slot: (n, places)."""
    places = np.stack([around_slot(quadrilateral) for quadrilateral in corners])
    free = np.ones(places.shape[:2], bool)
    for quadrilateral in corners:
        to_unit = homography(quadrilateral, rectangle(0, 0, 1, 1))
        inside = project(to_unit, places.reshape(-1, 2)).reshape(places.shape)
        free &= ~((inside > 0) & (inside < 1)).all(axis=2)
    return free
