"""The change gate over any sequence of stock changes, light, passers-by and time, on a small drawn rack."""

import numpy as np
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from edge_agent.config.sections import GateSection
from edge_agent.seeing.gate import ChangeGate
from kardus.inference.geometry import rectangle
from kardus.inference.preprocess import Pixels

SIDE, GAP, SLOTS = 40, 24, 3
HEIGHT, WIDTH = SIDE + 2 * GAP, SLOTS * (SIDE + GAP) + GAP
CORNERS = np.stack([rectangle(x, GAP, x + SIDE, GAP + SIDE) for x in range(GAP, WIDTH - GAP, SIDE + GAP)])
RULES = GateSection(refresh_s=300, obstructed_after=3)
CARTONS = 4
LIMITS = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],  # to shrink takes minutes: allow it when there is something to find
)


def _texture(seed: int, height: int, width: int) -> Pixels:
    """Patches of 8 x 8 pixels in colours between 60 and 180."""
    patches = np.random.default_rng(seed).integers(60, 180, (height // 8 + 1, width // 8 + 1, 3))
    return np.kron(patches, np.ones((8, 8, 1)))[:height, :width].astype(np.uint8)


RACK = _texture(100, HEIGHT, WIDTH)
STOCK = [_texture(seed, SIDE, SIDE) for seed in range(CARTONS)]


class GateMachine(RuleBasedStateMachine):
    """What stands in each slot and who stands before it, and what of that the gate may know."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = ChangeGate(RULES, CORNERS)
        self.gate.commission(RACK, CORNERS)
        self.now_s = 0.0
        self.light = 1.0
        self.stock = [0] * SLOTS
        self.before: int | None = None
        """The slot that somebody stands before."""
        self.shown: list[object] = [None] * SLOTS
        """What each slot showed in the last picture."""
        self.classified: list[tuple[int, float] | None] = [None] * SLOTS
        """The carton that was classified last in each slot, and when."""
        self.busy = [0] * SLOTS
        """For how many pictures in a row each was covered or had just changed."""

    @rule(slot=st.integers(0, SLOTS - 1), carton=st.integers(0, CARTONS - 1))
    def change_stock(self, slot: int, carton: int) -> None:
        self.stock[slot] = carton

    @rule(light=st.sampled_from([0.5, 0.7, 1.0, 1.35]))
    def change_light(self, light: float) -> None:
        self.light = light

    @rule(slot=st.none() | st.integers(0, SLOTS - 1))
    def pass_by(self, slot: int | None) -> None:
        """Somebody goes to stand before a slot, or leaves."""
        self.before = slot

    @rule(seconds=st.sampled_from([10.0, 100.0, 299.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(wanted=st.sets(st.integers(0, SLOTS - 1), max_size=1), pictures=st.integers(1, 5))
    def take(self, wanted: set[int], pictures: int) -> None:
        """Some pictures, a second apart; a slot is wanted in the first."""
        for number in range(pictures):
            self._take(wanted if number == 0 else set())

    def _take(self, wanted: set[int]) -> None:
        """One picture; every promise of the gate's is checked for every slot."""
        self.now_s += 1.0
        decisions = self.gate.decide(self._picture(), CORNERS, self.now_s, [n in wanted for n in range(SLOTS)])
        for slot, decision in enumerate(decisions):
            covered = slot == self.before
            moved = self.shown[slot] not in (None, (self.stock[slot], covered))
            self.shown[slot] = self.stock[slot], covered
            self.busy[slot] = self.busy[slot] + 1 if covered or moved else 0
            assert decision.busy == bool(self.busy[slot])
            assert decision.obstructed == (self.busy[slot] >= RULES.obstructed_after)
            last = self.classified[slot]
            is_due = last is None or self.now_s - last[1] >= RULES.refresh_s
            is_changed = last is None or last[0] != self.stock[slot]
            assert decision.classify == (not self.busy[slot] and (is_due or is_changed or slot in wanted))
            assert decision.changed == (decision.classify and is_changed)
            if decision.classify:
                self.classified[slot] = self.stock[slot], self.now_s

    @rule()
    def lose_view(self) -> None:
        self.gate.forget()
        self.shown, self.classified, self.busy = [None] * SLOTS, [None] * SLOTS, [0] * SLOTS

    def _picture(self) -> Pixels:
        picture = RACK.copy()
        for carton, corners in zip(self.stock, CORNERS.astype(int), strict=True):
            (left, top), (right, bottom) = corners[0], corners[2]
            picture[top:bottom, left:right] = STOCK[carton]
        if self.before is not None:
            left = int(CORNERS[self.before, 0, 0])
            picture[:, left - GAP // 4 : left + SIDE + GAP // 4] = (30, 20, 90)
        return (picture * self.light).clip(0, 255).astype(np.uint8)


def test_the_gate_keeps_its_promises_whatever_happens_before_the_camera() -> None:
    run_state_machine_as_test(GateMachine, settings=LIMITS)
