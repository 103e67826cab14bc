"""Many alerts at once: the view is doubted first, and what is still so after a while is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edge_agent.config.sections import VerdictSection
from edge_agent.deciding.judging import LocationJudge, Votes
from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.deciding.recorder import Recorder
from edge_agent.deciding.verdict import MIN_TURNED, VIEW_DOUBTED, VOTE_AGAIN_S, ViewDoubts
from edge_agent.records import Activity, Expectation, Finding, SlotObservations
from edge_agent.replay.player import NoOutbox
from kardus.contract.manifest import Calibration, ClassInfo
from kardus.contract.messages import Expected, ExpectedStock, Model
from kardus.contract.topics import Topics
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.inference.classification import interpret
from kardus.support.clock import SetClock

BEGAN = datetime(2026, 3, 2, 8, tzinfo=UTC)
DOUBT_S, REFRESH_S = 30.0, 300.0
MATCH, EMPTY, UNKNOWN, STALE, UNCERTAIN = (
    Verdict.MATCH,
    Verdict.EMPTY,
    Verdict.UNKNOWN,
    Verdict.STALE,
    Verdict.UNCERTAIN,
)


class _Cameras:
    """What a recorder is told of a camera with n locations, all of which match at first; and what it writes down."""

    def __init__(self, n: int, doubt_s: float = DOUBT_S) -> None:
        self.clock = SetClock(BEGAN)
        writer = MessageWriter(Topics("hall", "box"), Model(name="m", version="1"), 300, self.clock)
        self._recorder = Recorder(NoOutbox(), writer, 300, clock=self.clock)
        self.doubts = ViewDoubts(self._recorder.states, doubt_s, REFRESH_S, self.clock)
        self.names = [f"L{number:02d}" for number in range(n)]
        self.begun = 0
        self.see(dict.fromkeys(self.names, MATCH))

    def finding(self, location: str, verdict: Verdict, sku: str = "tea") -> Finding:
        expected = ExpectedStock(sku=sku, revision=1, age_s=0) if verdict is not STALE else None
        return Finding(location, verdict, "rack", self.clock.now(), expected=expected)

    def see(self, verdicts: dict[str, Verdict], sku: str = "tea") -> None:
        self.record([self.finding(location, verdict, sku) for location, verdict in verdicts.items()])

    def record(self, findings: list[Finding]) -> None:
        told = self.doubts.weigh(findings, self._doubt)
        self._recorder.record(told, historical=False)

    def _doubt(self, _: str) -> None:
        self.begun += 1

    def wait(self, seconds: float) -> list[Finding]:
        now_s = self.clock.monotonic_s() + seconds
        self.clock.set(BEGAN + timedelta(seconds=now_s), now_s)
        return self.doubts.over()

    def verdicts(self, *names: str) -> set[Verdict]:
        return {self._recorder.states[name].verdict for name in names or self.names}

    def reason(self, name: str) -> str:
        return self._recorder.states[name].reason


def test_half_of_the_locations_at_once_are_doubted_and_told_when_they_stay_so() -> None:
    rack = _Cameras(8)
    gone = rack.names[:4]
    rack.see(dict.fromkeys(gone, EMPTY))
    assert rack.verdicts(*gone) == {UNCERTAIN}
    assert rack.reason("L00") == VIEW_DOUBTED
    assert rack.begun == 1, "they are looked at again"
    assert rack.wait(DOUBT_S - 1) == []
    over = rack.wait(1)
    assert {finding.location for finding in over} == set(gone)
    rack.see(dict.fromkeys(gone, EMPTY))
    assert rack.verdicts(*gone) == {EMPTY}
    rack.see({"L07": UNKNOWN})
    assert rack.verdicts("L07") == {UNKNOWN}, "what comes after isn't doubted again"


def test_what_was_right_after_all_is_never_told() -> None:
    rack = _Cameras(8)
    rack.see(dict.fromkeys(rack.names[:5], UNKNOWN))
    rack.see(dict.fromkeys(rack.names[:5], MATCH))
    assert rack.verdicts() == {MATCH}
    assert rack.doubts.doubted == []
    assert rack.wait(2 * DOUBT_S) == []
    rack.see(dict.fromkeys(rack.names[:5], UNKNOWN))
    assert rack.begun == 2, "and it is doubted again when it happens again"


def test_they_needn_t_turn_in_the_same_picture() -> None:
    rack = _Cameras(8)
    for name in rack.names[:3]:
        rack.see({name: UNKNOWN})
        rack.wait(60)
    assert rack.verdicts(*rack.names[:3]) == {UNKNOWN}
    rack.see({"L03": UNKNOWN})
    assert rack.verdicts("L03") == {UNCERTAIN}


def test_what_turns_in_another_refresh_is_told() -> None:
    rack = _Cameras(8)
    for name in rack.names:
        rack.see({name: EMPTY})
        rack.wait(REFRESH_S / 2)
    assert rack.verdicts() == {EMPTY}
    assert rack.begun == 0


def _held(rack: _Cameras, location: str, rested_s: float) -> Finding:
    return replace(rack.finding(location, EMPTY), rested_s=rested_s)


def test_what_had_to_rest_before_it_could_be_looked_at_is_not_doubted_for_as_long_again() -> None:
    rack = _Cameras(8)
    rack.see(dict.fromkeys(rack.names[:3], EMPTY))
    rack.wait(DOUBT_S - 2)
    rack.record([_held(rack, name, DOUBT_S - 6) for name in rack.names[3:6]])
    assert rack.verdicts(*rack.names[:6]) == {EMPTY}
    assert rack.begun == 0
    rack.see({"L07": EMPTY})
    assert rack.verdicts("L07") == {UNCERTAIN}, "what comes fresh is doubted"
    assert rack.wait(DOUBT_S - 1) == []
    assert len(rack.wait(1)) == 1


def test_a_rest_that_was_short_leaves_the_rest_of_the_doubt() -> None:
    rack = _Cameras(8)
    rack.wait(60)
    rack.record([_held(rack, name, DOUBT_S - VOTE_AGAIN_S) for name in rack.names[:4]])
    assert rack.verdicts(*rack.names[:4]) == {UNCERTAIN}
    assert rack.wait(VOTE_AGAIN_S - 1) == []
    assert len(rack.wait(1)) == 4


CLASSES = tuple(ClassInfo(name=name, category=name, sku=name) for name in ("tea", "milk"))
LOOK, BUSY = Activity(classify=True), Activity(classify=False, busy=True)
CHANGED, RESTED = (Activity(classify=True, changed=True, rested_s=rested_s) for rested_s in (0.0, DOUBT_S))
LOOKS_EVERY_S = 2.0


class _Looks(_Cameras):
    """The same of 8 locations, from what the gate and the model say of each picture on."""

    def __init__(self, slots: int = 1) -> None:
        super().__init__(8)
        self.votes = Votes([(name, slot) for name in self.names for slot in range(slots)], VerdictSection())
        expected = {name: Expectation(Expected(revision=1, sku="tea"), received_s=0.0) for name in self.names}
        self._slots, self._location_judge = slots, LocationJudge(expected, self._recorder.states, 0.0, self.clock)

    def look(self, sku: str, *activities: Activity) -> None:
        """Pictures in which the same happens in every location: one activity, or one a slot of it, for each picture."""
        for activity in activities:
            self.look_at([activity] * self._slots, sku)

    def look_at(self, of_location: list[Activity], sku: str) -> None:
        self.wait(LOOKS_EVERY_S)
        activities = of_location * len(self.names)
        chosen = tuple(slot for slot, activity in enumerate(activities) if activity.classify)
        corners, crops = np.zeros((len(chosen), 4, 2)), np.zeros((len(chosen), 8, 8, 3), np.uint8)
        picture, none = Image.new("RGB", (8, 8)), (None,) * len(chosen)
        observed = SlotObservations(self.clock.now(), activities, chosen, picture, corners, crops, none)
        logits = np.array([[9.0 if info.sku == sku else 0.0 for info in CLASSES]], np.float32)
        answer = interpret(logits, CLASSES, Calibration(), logits.max(axis=1))[0]
        self.votes.take(observed, [answer] * len(chosen))
        self.judge()

    def judge(self) -> None:
        judged = [self._location_judge.finding(self.votes, name, "rack", self.clock.now()) for name in self.names]
        self.record([finding for finding in judged if finding])


def test_a_change_that_had_to_rest_is_told_by_its_own_votes() -> None:
    rack = _Looks()
    rack.look("milk", RESTED, LOOK, LOOK)
    assert rack.verdicts() == {Verdict.MISMATCH}
    assert rack.begun == 0


def test_votes_that_do_not_agree_at_once_are_still_those_of_the_change() -> None:
    rack = _Looks()
    rack.look("milk", RESTED)
    rack.look("tea", LOOK)
    rack.look("milk", LOOK, LOOK)
    assert rack.verdicts() == {Verdict.MISMATCH}
    assert rack.begun == 0


def test_a_rest_counts_for_no_later_verdict_on_the_same_content() -> None:
    """An hour after stock was put beside a light's edge, the view goes wrong for a moment."""
    rack = _Looks()
    rack.look("tea", RESTED, LOOK, LOOK)
    assert rack.verdicts() == {MATCH}
    rack.wait(3600)
    rack.look("milk", LOOK, LOOK, LOOK, LOOK, LOOK)
    assert rack.verdicts() == {UNCERTAIN}
    assert rack.begun == 1
    rack.look("tea", LOOK, LOOK, LOOK, LOOK, LOOK)
    assert rack.verdicts() == {MATCH}, "no alert was told"


def test_a_rest_counts_for_no_verdict_after_something_stood_before_it() -> None:
    rack = _Looks()
    rack.look("tea", RESTED, BUSY)
    rack.wait(3600)
    rack.look("milk", BUSY, LOOK, LOOK, LOOK, LOOK)
    assert rack.verdicts() == {UNCERTAIN}


@pytest.mark.parametrize("ask", ["schedule", "vote_anew"])
def test_a_rest_counts_for_no_verdict_that_was_asked_for_since(ask: str) -> None:
    rack = _Looks()
    rack.look("milk", RESTED, LOOK)
    for name in rack.names:
        rack.votes.schedule_classification(name) if ask == "schedule" else rack.votes.vote_anew()
    rack.look("milk", LOOK, LOOK, LOOK)
    assert rack.verdicts() == {UNCERTAIN}


def test_of_several_slots_the_one_that_changed_counts_and_of_two_changes_the_shorter_rest() -> None:
    rack = _Looks(slots=2)
    rack.look("tea", CHANGED, LOOK, LOOK, LOOK)
    rested = [Activity(classify=False), RESTED]
    rack.look_at(rested, "milk")
    assert rack.votes.rested_s("L00") == DOUBT_S, "of the other one, nothing new is said"
    rack.look_at([CHANGED, LOOK], "milk")
    assert rack.votes.rested_s("L00") == 0
    rack.look_at([RESTED, LOOK], "milk")
    assert rack.votes.rested_s("L00") == 0
    rack.look("milk", LOOK, LOOK, LOOK)
    assert rack.verdicts() == {UNCERTAIN}


def test_few_locations_are_told_at_once() -> None:
    rack = _Cameras(MIN_TURNED - 1)
    rack.see(dict.fromkeys(rack.names, EMPTY))
    assert rack.verdicts() == {EMPTY}
    many = _Cameras(12)
    many.see(dict.fromkeys(many.names[:5], EMPTY))
    assert many.verdicts(*many.names[:5]) == {EMPTY}


def test_another_expectation_is_no_matter_of_the_view() -> None:
    rack = _Cameras(8)
    rack.see(dict.fromkeys(rack.names, UNKNOWN), sku="milk")
    assert rack.verdicts() == {UNKNOWN}


def test_a_match_before_the_view_was_lost_or_unsure_counts() -> None:
    for between in (STALE, UNCERTAIN, Verdict.OBSTRUCTED):
        rack = _Cameras(8)
        rack.see(dict.fromkeys(rack.names, between))
        rack.see(dict.fromkeys(rack.names, UNKNOWN))
        assert rack.verdicts() == {UNCERTAIN}, between


def test_a_view_that_is_lost_in_a_doubt_is_not_doubted_any_more() -> None:
    rack = _Cameras(8)
    rack.see(dict.fromkeys(rack.names, UNKNOWN))
    rack.doubts.signal_lost("rack")
    rack.see(dict.fromkeys(rack.names, STALE))
    assert rack.wait(DOUBT_S) == []
    assert rack.verdicts() == {STALE}


def test_what_is_doubted_is_looked_at_again_and_again() -> None:
    rack = _Cameras(4)
    rack.see(dict.fromkeys(rack.names, UNKNOWN))
    assert rack.doubts.due_for_another_vote() == {}
    looks = 0
    while not rack.wait(VOTE_AGAIN_S / 4):
        looks += bool(rack.doubts.due_for_another_vote())
    assert looks == DOUBT_S / VOTE_AGAIN_S - 1


def test_a_source_that_ends_ends_the_doubt() -> None:
    rack = _Cameras(4)
    rack.see(dict.fromkeys(rack.names, EMPTY))
    rack.record(rack.doubts.over("rack"))
    assert rack.verdicts() == {EMPTY}


def test_it_can_be_switched_off() -> None:
    rack = _Cameras(8, doubt_s=0)
    rack.see(dict.fromkeys(rack.names, UNKNOWN))
    assert rack.verdicts() == {UNKNOWN}


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([MATCH, EMPTY, UNKNOWN, UNCERTAIN, STALE])), max_size=60))
def test_nothing_that_stays_is_swallowed(looks: list[tuple[int, Verdict]]) -> None:
    rack, last = _Cameras(6), dict[str, Verdict]()
    for number, verdict in looks:
        last[rack.names[number]] = verdict
        rack.see({rack.names[number]: verdict})
        over = rack.wait(7)
        rack.see({f.location: last[f.location] for f in over})
    rack.wait(DOUBT_S)
    rack.see(last)
    for name, verdict in last.items():
        if verdict in ALERTS:
            rack.wait(DOUBT_S)
            rack.see({name: verdict})
            assert rack.verdicts(name) == {verdict}
