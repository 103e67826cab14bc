"""From a camera's looks and the WMS's expectation to a finding. Belongs to the wiring: it joins watch and expected."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from edge_agent.control.expected import Expectation, ExpectedStore
from edge_agent.deciding.events import Finding, seen_of
from edge_agent.deciding.verdict import Judgement
from edge_agent.seeing.watch import Watch
from kardus.contract.messages import Expected, ExpectedStock, LocationState
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.support.clock import SYSTEM_CLOCK, Clock

IN_GRACE = "the WMS expects another product since a moment ago: stock may be on its way"
OBSTRUCTED = "something stands before it, or it doesn't come to rest"


class Judging:
    """Judges locations against what is expected of them now."""

    def __init__(
        self,
        expected: ExpectedStore,
        states: Mapping[str, LocationState],
        grace_s: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`states` are those that the WMS knows, kept up to date by their owner."""
        self._clock = clock
        self._expected = expected
        self._states = states
        self._grace_s = grace_s
        self.in_grace: set[str] = set()
        """Locations whose alert waits until stock had time to come."""

    def use(self, grace_s: float, locations: Collection[str]) -> None:
        """Another grace, and which locations are still watched."""
        self._grace_s = grace_s
        self.in_grace &= set(locations)

    def expected_at(self, location: str) -> Expected | None:
        """What the WMS expects; None where it has said nothing."""
        expectation = self._expected.get(location)
        return expectation.expected if expectation else None

    def standing(self, location: str) -> Verdict | None:
        """The verdict so far."""
        state = self._states.get(location)
        return state.verdict if state else None

    def judge(self, watch: Watch, location: str) -> Finding | None:
        """What the last looks at a location come to; None while they are too few, or something moves before it."""
        expectation = self._expected.get(location)
        stock, camera = _stock(expectation, self._clock.monotonic_s()), watch.camera.name
        if watch.is_obstructed(location):
            return Finding(location, Verdict.OBSTRUCTED, camera, watch.last_capture, expected=stock, reason=OBSTRUCTED)
        if watch.is_busy(location):
            return None  # what was seen before isn't verified by this picture
        decided = watch.decide(location, self.expected_at(location), self.standing(location))
        if decided is None:
            return None
        judgement = self._with_grace(location, expectation, decided.judgement)
        has_looked = bool(decided.look.skus)  # else there is no model
        likelihood = decided.look.likelihood(stock.sku) if stock and stock.sku and has_looked else None
        return Finding(
            location,
            judgement.verdict,
            camera,
            watch.last_capture,
            expected=stock,
            seen=seen_of(decided.look, judgement.sku, judgement.category) if has_looked else None,
            expected_likelihood=min(1.0, likelihood) if likelihood is not None else None,
            reason=judgement.reason,
            facing=decided.facing,
        )

    def _with_grace(self, location: str, expectation: Expectation | None, judgement: Judgement) -> Judgement:
        """No alert as long as stock may be on its way: the WMS expects another product since a moment ago."""
        ago = expectation.replaced_ago_s(self._clock.monotonic_s()) if expectation else None
        if ago is None or ago >= self._grace_s or judgement.verdict not in ALERTS:
            self.in_grace.discard(location)
            return judgement
        self.in_grace.add(location)
        return replace(judgement, verdict=Verdict.UNCERTAIN, reason=IN_GRACE)


def _stock(expectation: Expectation | None, now_s: float) -> ExpectedStock | None:
    if expectation is None:
        return None
    expected = expectation.expected
    age = expectation.age_s(now_s)
    return ExpectedStock(sku=expected.sku, revision=expected.revision, age_s=round(age, 3), quantity=expected.quantity)
