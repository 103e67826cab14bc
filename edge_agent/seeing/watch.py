"""One camera's part of the line: its view guard, slots, change gate and last looks. Belongs to the wiring."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from PIL import Image

from edge_agent.config.cameras import CameraSection
from edge_agent.config.sections import GateSection, VerdictSection, ViewSection
from edge_agent.deciding.verdict import Decided, combine, decide, is_settled, with_empty_picture
from edge_agent.records import Frame
from edge_agent.seeing.empty import EmptyPictures
from edge_agent.seeing.gate import ChangeGate
from edge_agent.seeing.slots import Cutting, place, slots_of
from edge_agent.seeing.view_guard import View, ViewGuard
from kardus.contract.messages import Expected
from kardus.contract.verdicts import Verdict
from kardus.inference.classification import Classification
from kardus.inference.geometry import FloatArray
from kardus.inference.preprocess import Pixels, read_photo, resized

BAD_IN_A_ROW = 2
"""One bad picture is passed over; from the second on the view is lost."""


@dataclass
class _SlotState:
    """What was seen in a slot."""

    looks: deque[Classification]
    tries: int = 0
    """Looks since it last changed or was due: a vote stays open for a window of them."""
    is_wanted: bool = False
    """To be classified at the next opportunity."""
    is_obstructed: bool = False
    is_busy: bool = False
    """The last picture said nothing of its stock."""


@dataclass(frozen=True)
class Look:
    """What one picture asks for."""

    slots: tuple[int, ...]
    """Which slots are to be classified."""
    crops: Pixels
    """Their pictures, (len(slots), size, size, 3) ..."""
    frame: Image.Image
    """... cut from this one ..."""
    corners: FloatArray
    """... at these places, (len(slots), 4, 2)."""
    like_empty: tuple[bool | None, ...]
    """What their own empty pictures say of them."""
    touched: frozenset[str]
    """Locations whose verdict may change."""
    changed: frozenset[str]
    """Locations that show other stock than when they were last looked at."""


@dataclass(frozen=True)
class _Foreseen:
    """What is cut out of a picture while its view is judged."""

    slots: list[int]
    corners: FloatArray
    """(len(slots), 4, 2): where they were in the last picture."""
    crops: Cutting


class Watch:
    """What one camera sees. Owned by the agent's thread."""

    def __init__(
        self, camera: CameraSection, view: ViewSection, gate: GateSection, verdict: VerdictSection, *, live: bool
    ) -> None:
        """Prepare.

        Raises:
            DataError: the commissioning or the empty picture cannot be read.
        """
        self._view_rules, self._gate_rules, self._verdict_rules = view, gate, verdict
        self.camera = camera
        self.slots = slots_of(camera)
        self._slots_of: dict[str, list[int]] = {slot.location: [] for slot in self.slots}
        for index, slot in enumerate(self.slots):
            self._slots_of[slot.location].append(index)
        self._states = [_SlotState(deque(maxlen=self._verdict_rules.window)) for _ in self.slots]
        self._reference = read_photo(camera.reference) if camera.reference else None
        self._empty_picture = read_photo(camera.empty_picture) if camera.empty_picture else None
        self._guard: ViewGuard | None = None
        self._gate: ChangeGate | None = None
        self._empty: EmptyPictures | None = None
        self._live = live
        self.last_capture = datetime.now(UTC)
        """When the last good picture was taken ..."""
        self.last_frame: Image.Image | None = None
        """... and what it was."""
        self._last_corners: FloatArray | None = None
        self._foreseen: _Foreseen | None = None
        self._bad = 0

    def use(self, camera: CameraSection, view: ViewSection, gate: GateSection, verdict: VerdictSection) -> None:
        """Other rules, and a section of the configuration with the same slots and pictures. What was seen stays."""
        self.camera = camera
        self._view_rules, self._gate_rules, self._verdict_rules = view, gate, verdict
        if self._guard:
            self._guard.use(view)
        if self._gate:
            self._gate.use(gate)
        for state in self._states:
            state.looks = deque(state.looks, maxlen=verdict.window)

    @property
    def locations(self) -> tuple[str, ...]:
        """The locations in its picture."""
        return tuple(self._slots_of)

    def foresee(self, frame: Frame, size_px: int) -> None:
        """Begin to cut out what is to be classified whatever the picture shows: cameras stand still, as a rule."""
        self._foreseen = None
        if self._gate is None or self._last_corners is None:
            return
        slots = np.flatnonzero(self._gate.due(frame.at_s) | [state.is_wanted for state in self._states]).tolist()
        corners = self._last_corners[slots]
        self._foreseen = _Foreseen(slots, corners, Cutting(corners, frame.picture, size_px))

    def check(self, frame: Frame) -> View:
        """Whether the picture can be trusted."""
        if self._guard is None:
            width, height = frame.picture.size
            shares = [slot.in_pixels(width, height) / [width, height] for slot in self.slots]
            self._guard = ViewGuard(self._view_rules, shares, self._reference, live=self._live)
        view = self._guard.check(frame)
        self._bad = self._bad + 1 if view.problem else 0
        return view

    @property
    def is_view_lost(self) -> bool:
        """Whether the last pictures were too bad to say anything."""
        return self._bad >= BAD_IN_A_ROW

    def look(self, frame: Frame, view: View, size_px: int) -> Look:
        """What a good picture asks for."""
        self.last_capture, self.last_frame = frame.captured, frame.picture
        corners = place(self.slots, *frame.picture.size, view.motion)
        self._last_corners = corners
        gate = self._known_gate(frame, view, corners)
        decisions = gate.decide(view.small, corners / view.factor, frame.at_s, [s.is_wanted for s in self._states])
        touched, changed = set(), set()
        for slot, state, decision in zip(self.slots, self._states, decisions, strict=True):
            if decision.changed:
                state.looks.clear()
                changed.add(slot.location)
            if decision.changed or (decision.classify and not state.is_wanted):
                state.tries = 0
            if decision.classify or decision.obstructed != state.is_obstructed:
                touched.add(slot.location)
            state.is_obstructed, state.is_busy = decision.obstructed, decision.busy
        chosen = tuple(index for index, decision in enumerate(decisions) if decision.classify)
        places = corners[list(chosen)]
        crops = self._cut(frame, chosen, places, size_px)
        alike = self._like_empty(view, corners, chosen)
        return Look(chosen, crops, frame.picture, places, alike, frozenset(touched), frozenset(changed))

    def take(
        self,
        look: Look,
        seen: Sequence[Classification],
        expected: Mapping[str, Expected | None],
        standing: Mapping[str, Verdict],
    ) -> None:
        """Keep what the classifier says of the crops of a look; with the expectations, and the verdicts so far."""
        for index, classification, like_empty in zip(look.slots, seen, look.like_empty, strict=True):
            state = self._states[index]
            state.looks.append(with_empty_picture(classification, like_empty))
            state.tries += 1
            location = self.slots[index].location
            settled = is_settled(list(state.looks), expected[location], self._verdict_rules, standing.get(location))
            state.is_wanted = not settled and state.tries < self._verdict_rules.window

    def shown(self, location: str) -> tuple[Image.Image, list[FloatArray]] | None:
        """The last good picture, and where the facings of a location are in it; None before the first."""
        if self.last_frame is None or self._last_corners is None:
            return None
        return self.last_frame, [self._last_corners[index] for index in self._slots_of[location]]

    def want(self, location: str) -> None:
        """Classify a location at the next opportunity: what is expected there has changed."""
        for index in self._slots_of[location]:
            self._states[index].is_wanted = True
            self._states[index].tries = 0

    def look_again(self) -> None:
        """Classify every location at the next opportunity, and let only that count."""
        for location in self.locations:
            self.want(location)
        for state in self._states:
            state.looks.clear()

    def lose(self) -> None:
        """The view is lost: what was seen doesn't count any more."""
        if self._gate:
            self._gate.forget()
        for state in self._states:
            state.looks.clear()
            state.tries, state.is_wanted, state.is_obstructed, state.is_busy = 0, False, False, False

    def is_obstructed(self, location: str) -> bool:
        """Whether something stands before a location, or it doesn't come to rest."""
        return any(self._states[index].is_obstructed for index in self._slots_of[location])

    def is_busy(self, location: str) -> bool:
        """Whether the last picture said nothing of its stock."""
        return any(self._states[index].is_busy for index in self._slots_of[location])

    def decide(self, location: str, expected: Expected | None, standing: Verdict | None = None) -> Decided | None:
        """What the last looks at a location come to; None while they are too few."""
        return combine(
            [
                (
                    self.slots[index].facing,
                    decide(list(self._states[index].looks), expected, self._verdict_rules, standing),
                )
                for index in self._slots_of[location]
            ],
        )

    def _cut(self, frame: Frame, chosen: Sequence[int], places: FloatArray, size_px: int) -> Pixels:
        foreseen, self._foreseen = self._foreseen, None
        if foreseen and set(chosen) <= set(foreseen.slots):
            which = np.searchsorted(foreseen.slots, chosen)
            if np.array_equal(foreseen.corners[which], places):
                return foreseen.crops.result()[which]
        return Cutting(places, frame.picture, size_px).result()

    def _known_gate(self, frame: Frame, view: View, corners: FloatArray) -> ChangeGate:
        if self._gate is None:
            self._gate = ChangeGate(self._gate_rules, corners)
            if self._reference is not None:
                self._gate.commission(*self._as_configured(self._reference, frame, view))
            if self._empty_picture is not None:
                small, places = self._as_configured(self._empty_picture, frame, view)
                self._empty = EmptyPictures(small, places, self._gate_rules.change)
        return self._gate

    def _as_configured(self, picture: Pixels, frame: Frame, view: View) -> tuple[Pixels, FloatArray]:
        """A picture from the time of the configuration, reduced as the view is, with the slots' corners in it."""
        height, width = view.small.shape[:2]
        corners = place(self.slots, *frame.picture.size, np.eye(3)) / view.factor
        return resized(picture, width, height), corners

    def _like_empty(self, view: View, corners: FloatArray, chosen: Sequence[int]) -> tuple[bool | None, ...]:
        if self._empty is None:
            return (None,) * len(chosen)
        alike = self._empty.alike(view.small, corners / view.factor)
        return tuple(alike[index] for index in chosen)
