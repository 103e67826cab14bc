"""What was lately seen in a camera's slots, judged against what the WMS expects: votes, and what they come to.

Every classification of a slot is a vote. It is judged once, and again where the expectation changes.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count

from edge_agent.config.sections import VerdictSection
from edge_agent.deciding.code_witness import with_code
from edge_agent.deciding.corrections import (
    Correction,
    StandingCorrection,
    corrected_seen,
    corrected_verdict,
    whole_milliseconds,
)
from edge_agent.deciding.obstruction import why_obstructed
from edge_agent.deciding.recognised import LastMatches, SeenStock
from edge_agent.deciding.verdict import (
    AgreedVerdict,
    Judgement,
    LocationOutcome,
    agreed_verdict,
    combine_facings,
    judge_vote,
    seen_of,
    with_empty_picture,
)
from edge_agent.records import CodeWitness, Expectation, Finding, SlotObservations
from kardus.contract.messages import Expected, ExpectedStock, LocationState, Seen
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.inference.classification import Classification
from kardus.support.clock import SYSTEM_CLOCK, Clock
from kardus.support.errors import KardusError

_CONTENTS = count(1)
"""Numbers of contents: no two are alike, also not of slots that were laid out anew, so that what was read of a former
one is told of nothing else."""
IN_GRACE = "the WMS expects another product since a moment ago: stock may be on its way"


@dataclass
class _Vote:
    """One classification of a slot."""

    seen: Classification
    judgement: Judgement | None = None
    """None: not judged yet against what is expected now."""


@dataclass
class _Slot:
    """The votes of one slot."""

    location: str
    facing: int | None
    votes: deque[_Vote]
    tries: int = 0
    """Votes since it last changed or was due: it stays open for a window of them."""
    is_scheduled: bool = False
    """To be classified at the next opportunity."""
    is_new: bool = False
    """Whether its last vote isn't judged yet."""
    is_obstructed: bool = False
    is_busy: bool = False
    """The last picture said nothing of its stock."""
    is_obstacle_still: bool = False
    """Whether what stands before it has done so for `OBSTACLE_STAYS_S`, without moving."""
    is_relit: bool = False
    """It was last classified in another light than when its content was first seen."""
    content: int = field(default_factory=lambda: next(_CONTENTS))
    """The number of what stands in it."""
    is_read: bool = False
    """Whether the codes of its content were read, or are being read."""
    witness: CodeWitness | None = None
    """What they say."""
    basis: tuple[Expected | None, bool] = field(default=(None, False))
    """What its votes were judged against: the expectation, and whether a match stands."""

    def agreed_verdict(
        self, expected: Expected | None, standing: Verdict | None, rules: VerdictSection
    ) -> AgreedVerdict | None:
        """What enough of its votes, or its carton's code, say. Judges those that weren't judged against this yet."""
        is_match = standing is Verdict.MATCH
        if self.basis[0] is not expected or self.basis[1] != is_match:
            self.basis = expected, is_match
            self.forget_judgements()
        for vote in self.votes:
            vote.judgement = vote.judgement or judge_vote(vote.seen, expected, rules, standing)
        judgements = [vote.judgement for vote in self.votes if vote.judgement]
        agreed = agreed_verdict([vote.seen for vote in self.votes], judgements, rules)
        if self.is_new:
            has_agreed = agreed is not None and judgements[-1] == agreed.judgement
            self.is_scheduled = not has_agreed and self.tries < rules.window
            self.is_new = False
        return with_code(agreed, self.witness, expected) if self.witness else agreed

    def forget_code(self) -> None:
        """Its content may be another."""
        self.content, self.is_read, self.witness = next(_CONTENTS), False, None

    def forget_judgements(self) -> None:
        """Judge its votes anew."""
        for vote in self.votes:
            vote.judgement = None


class Votes:
    """The votes of one camera's slots. Owned by the agent's thread."""

    def __init__(self, slots: Sequence[tuple[str, int | None]], rules: VerdictSection) -> None:
        """No votes yet, for slots with their location and facing."""
        self._rules = rules
        self._slots = [_Slot(location, facing, deque(maxlen=rules.window)) for location, facing in slots]
        self._slots_of: dict[str, list[int]] = {}
        for index, slot in enumerate(self._slots):
            self._slots_of.setdefault(slot.location, []).append(index)
        self.locations = tuple(self._slots_of)
        """The locations that the slots belong to."""
        self._unchanged_since: dict[str, datetime] = {}
        """When what stands at each location was first seen; it has been looked at ever since."""
        self._corrections: dict[str, StandingCorrection] = {}
        """What somebody has said of what stands there."""
        self._rested_s: dict[str, float] = {}
        """For how long what is new at each location had to rest, as long as the change itself is voted on."""

    def apply_settings(self, rules: VerdictSection) -> None:
        """Take a reloaded `[verdict]`; the votes are kept."""
        self._rules = rules
        for slot in self._slots:
            slot.votes = deque(slot.votes, maxlen=rules.window)
            slot.forget_judgements()

    @property
    def scheduled_slots(self) -> list[bool]:
        """Which slots are to be classified at the next opportunity."""
        return [slot.is_scheduled for slot in self._slots]

    def slots_of(self, location: str) -> Sequence[int]:
        """The slots of a location."""
        return self._slots_of[location]

    def take(self, observed: SlotObservations, answers: Sequence[Classification]) -> tuple[set[str], set[str]]:
        """Count what a picture shows, with what the classifier says of its crops.

        Returns the locations whose verdict may have changed, and those that show other stock than before.
        """
        touched, changed = set(), set()
        slots = list(zip(self._slots, observed.activities, strict=True))
        voting = {slot.location for slot, activity in slots if slot.is_scheduled and not activity.busy}
        self._rested_s = {location: rested_s for location, rested_s in self._rested_s.items() if location in voting}
        for slot, activity in slots:
            if activity.changed:
                slot.votes.clear()
                slot.forget_code()
                rested_s = self._rested_s.get(slot.location, activity.rested_s)
                self._rested_s[slot.location] = min(rested_s, activity.rested_s)
                changed.add(slot.location)
                self._unchanged_since.pop(slot.location, None)
                self._corrections.pop(slot.location, None)
            if activity.changed or (activity.classify and not slot.is_scheduled):
                slot.tries = 0
            if activity.classify or activity.obstructed != slot.is_obstructed:
                touched.add(slot.location)
            slot.is_obstructed, slot.is_busy, slot.is_obstacle_still = (
                activity.obstructed,
                activity.busy,
                activity.settled,
            )
        for index, seen, like_empty in zip(observed.chosen, answers, observed.like_empty, strict=True):
            slot = self._slots[index]
            is_relit = observed.activities[index].relit
            if slot.is_relit and not is_relit:
                slot.votes.clear()  # what the other light has made of it
            slot.is_relit = is_relit
            self._unchanged_since.setdefault(slot.location, observed.captured)
            slot.votes.append(_Vote(seen if like_empty is None else with_empty_picture(seen, like_empty)))
            slot.tries += 1
            slot.is_new = True
        return touched, changed

    def outcome(self, location: str, expected: Expected | None, standing: Verdict | None = None) -> LocationOutcome:
        """The agreed verdicts of a location's slots, combined; grace, corrections and the light are weighed later."""
        slots = [self._slots[index] for index in self._slots_of[location]]
        agreed = [(slot.facing, slot.agreed_verdict(expected, standing, self._rules)) for slot in slots]
        return LocationOutcome(
            agreed[0][1] if len(agreed) == 1 else combine_facings(agreed),
            is_obstructed=any(slot.is_obstructed for slot in slots),
            is_busy=any(slot.is_busy for slot in slots),
        )

    def contents(self, location: str) -> tuple[int, ...]:
        """What stands at a location, counted in each of its slots: another number, another content."""
        return tuple(self._slots[index].content for index in self._slots_of[location])

    def rested_s(self, location: str) -> float:
        """For how long the change that is voted on there had to rest first; 0 once it has been, and without one."""
        return self._rested_s.get(location, 0.0)

    def is_relit(self, location: str) -> bool:
        """Whether it was last seen in another light than when its content was first seen."""
        return any(self._slots[index].is_relit for index in self._slots_of[location])

    def to_be_read(self, slots: Sequence[int]) -> list[tuple[int, int]]:
        """Those of the slots whose content's codes weren't read yet, with the content's number. They count as read."""
        fresh = [index for index in slots if not self._slots[index].is_read]
        for index in fresh:
            self._slots[index].is_read = True
        return [(index, self._slots[index].content) for index in fresh]

    def add_code_witness(self, slot: int, content: int, witness: CodeWitness) -> str | None:
        """Take what a code says; the location whose verdict may change, None where other stock is there by now."""
        if slot >= len(self._slots) or self._slots[slot].content != content:
            return None
        self._slots[slot].witness = witness
        return self._slots[slot].location

    def correct(self, location: str, correction: Correction, captured: datetime) -> None:
        """Somebody has looked at a picture of a location, taken at `captured`, and says what stands there.

        Raises:
            KardusError: something else may stand there by now.
        """
        since = self._unchanged_since.get(location)
        if since is None or captured < whole_milliseconds(since):
            raise KardusError(f"location '{location}' has changed, or was out of sight, since that picture: look again")
        self._corrections.pop(location, None)
        if correction.truth != "withdrawn":
            self._corrections[location] = StandingCorrection(correction)

    def correction(self, location: str, vote: Classification) -> Correction | None:
        """What somebody has said of what stands there, unless the model has come to say something else since."""
        held = self._corrections.get(location)
        if held is None or held.holds(vote):
            return held.correction if held else None
        del self._corrections[location]
        return None

    def is_busy(self, location: str) -> bool:
        """Whether the last picture said nothing of its stock."""
        return any(self._slots[index].is_busy for index in self._slots_of[location])

    @property
    def is_any_restless(self) -> bool:
        """Whether it said nothing of some location's, and not for what has stood before it for long."""
        return any(slot.is_busy and not slot.is_obstacle_still for slot in self._slots)

    @property
    def is_any_wanted(self) -> bool:
        """Whether some slot is to be classified, and can be."""
        return any(slot.is_scheduled and not slot.is_obstacle_still for slot in self._slots)

    def schedule_classification(self, location: str) -> None:
        """Classify a location at the next opportunity: what is expected there has changed."""
        self._rested_s.pop(location, None)
        for index in self._slots_of[location]:
            self._slots[index].is_scheduled = True
            self._slots[index].tries = 0

    def vote_anew(self) -> None:
        """Classify every location at the next opportunity, and let only that count. What stands there is the same."""
        self._rested_s.clear()
        for slot in self._slots:
            slot.votes.clear()
            slot.tries, slot.is_scheduled, slot.is_new = 0, True, False

    def clear(self) -> None:
        """What was seen, and said of it, doesn't count any more."""
        self._unchanged_since.clear()
        self._corrections.clear()
        self.vote_anew()
        for slot in self._slots:
            slot.forget_code()
            slot.is_scheduled = False

    def signal_lost(self) -> None:
        """The view is lost."""
        self.clear()
        for slot in self._slots:
            slot.is_obstructed = slot.is_busy = slot.is_obstacle_still = False


class LocationJudge:
    """Makes what is told of a location's outcome, by grace, corrections and the light. Owned by the agent's thread."""

    def __init__(
        self,
        expected: Mapping[str, Expectation],
        states: Mapping[str, LocationState],
        grace_s: float,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`expected` is what the WMS expects, `states` what it knows: both kept up to date by their owners."""
        self._clock = clock
        self._expected = expected
        self._states = states
        self._grace_s = grace_s
        self.in_grace: set[str] = set()
        """Locations whose alert waits until stock had time to come."""
        self._recognised = LastMatches()
        self._obstructed_s: dict[str, float] = {}
        """Since when each location is that is obstructed now."""

    def apply_settings(self, grace_s: float, locations: Collection[str]) -> None:
        """Take another grace period, and which locations are still watched."""
        self._grace_s = grace_s
        self.in_grace &= set(locations)
        self._obstructed_s = {name: since for name, since in self._obstructed_s.items() if name in locations}
        self._recognised.keep(locations)

    def finding(self, votes: Votes, location: str, camera: str, captured: datetime) -> Finding | None:
        """What is told of a location now; None while its votes are too few, or something moves before it.

        Args:
            votes: of the camera that sees it.
            location: which.
            camera: its name.
            captured: when its last good picture was taken.
        """
        expectation, state = self._expected.get(location), self._states.get(location)
        now_s = self._clock.monotonic_s()
        wanted = expectation.expected if expectation else None
        outcome = votes.outcome(location, wanted, state.verdict if state else None)
        agreed, stock = outcome.agreed, _stock(expectation, now_s)
        if outcome.is_obstructed:
            reason = why_obstructed(location, self._obstructed_s, now_s)
            return Finding(location, Verdict.OBSTRUCTED, camera, captured, expected=stock, reason=reason)
        self._obstructed_s.pop(location, None)
        if agreed is None or outcome.is_busy:
            return None  # what was seen before isn't verified by a picture of something else
        agreed = self._in_another_light(votes, location, stock, agreed)
        correction = votes.correction(location, agreed.vote)
        if correction:
            agreed = corrected_verdict(correction, wanted, agreed.facing, agreed.vote)
        judgement = self._with_grace(location, expectation, agreed.judgement, now_s)
        has_model = bool(agreed.vote.skus)
        likelihood = agreed.vote.likelihood(stock.sku) if stock and stock.sku and has_model else None
        return Finding(
            location,
            judgement.verdict,
            camera,
            captured,
            expected=stock,
            seen=_seen(agreed, judgement, correction),
            expected_likelihood=min(1.0, likelihood) if likelihood is not None else None,
            reason=judgement.reason,
            facing=agreed.facing,
            corrected=correction is not None,
            rested_s=votes.rested_s(location),
        )

    def _in_another_light(
        self, votes: Votes, location: str, stock: ExpectedStock | None, agreed: AgreedVerdict
    ) -> AgreedVerdict:
        """What votes come to, where the same content may have matched the same expectation in another light."""
        is_match = agreed.judgement.verdict is Verdict.MATCH
        if not is_match and not (agreed.judgement.verdict in ALERTS and votes.is_relit(location)):
            return agreed
        seen = SeenStock(location, votes.contents(location), stock.sku if stock else None)
        if is_match:
            self._recognised.remember(seen)
            return agreed
        return self._recognised.weigh(seen, agreed)

    def _with_grace(
        self, location: str, expectation: Expectation | None, judgement: Judgement, now_s: float
    ) -> Judgement:
        """No alert as long as stock may be on its way: the WMS expects another product since a moment ago."""
        replaced_s = expectation.replaced_s if expectation else None
        if replaced_s is None or now_s - replaced_s >= self._grace_s or judgement.verdict not in ALERTS:
            self.in_grace.discard(location)
            return judgement
        self.in_grace.add(location)
        return replace(judgement, verdict=Verdict.UNCERTAIN, reason=IN_GRACE)


def _stock(expectation: Expectation | None, now_s: float) -> ExpectedStock | None:
    if expectation is None:
        return None
    expected, age_s = expectation.expected, max(0.0, now_s - expectation.received_s)
    return ExpectedStock(
        sku=expected.sku, revision=expected.revision, age_s=round(age_s, 3), quantity=expected.quantity
    )


def _seen(agreed: AgreedVerdict, judgement: Judgement, correction: Correction | None) -> Seen | None:
    """What stands there; None: there is no model, and nobody has said it."""
    if correction:
        return corrected_seen(correction, agreed.vote)
    if not agreed.vote.skus:
        return None
    return seen_of(agreed.vote, judgement.sku, judgement.category or judgement.family)
