"""Votes of slots, and what they come to beside what is expected and what stands."""

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from edge_agent.config.sections import VerdictSection
from edge_agent.deciding.judging import IN_GRACE, LocationJudge, Votes
from edge_agent.deciding.obstruction import OBSTRUCTED
from edge_agent.deciding.recognised import IN_ANOTHER_LIGHT
from edge_agent.records import Activity, Expectation, Finding, SlotObservations
from kardus.contract.manifest import Calibration, ClassInfo
from kardus.contract.messages import Expected, LocationState, Model
from kardus.contract.verdicts import Verdict
from kardus.inference.classification import Classification, interpret
from kardus.support.clock import SetClock

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLASSES = tuple(ClassInfo(name=name, category=name, sku=name) for name in ("A", "B", "empty"))
RULES = VerdictSection(votes=2, window=3)
REST, CLASSIFY, CHANGED = Activity(classify=False), Activity(classify=True), Activity(classify=True, changed=True)
WANTED = Expected(revision=1, sku="A")


def _seen(sku: str) -> Classification:
    logits = np.array([[9.0 if info.sku == sku else 0.0 for info in CLASSES]], np.float32)
    return interpret(logits, CLASSES, Calibration(), logits.max(axis=1))[0]


def _observed(*activities: Activity, like_empty: bool | None = None) -> SlotObservations:
    """Every slot that is to be classified is."""
    chosen = tuple(index for index, activity in enumerate(activities) if activity.classify)
    return SlotObservations(
        captured=NOW,
        activities=activities,
        chosen=chosen,
        picture=Image.new("RGB", (8, 8)),
        corners=np.zeros((len(chosen), 4, 2)),
        crops=np.zeros((len(chosen), 8, 8, 3), np.uint8),
        like_empty=(like_empty,) * len(chosen),
    )


def _votes(*skus: str, rules: VerdictSection = RULES) -> Votes:
    """One slot at L that was seen so."""
    votes = Votes([("L", None)], rules)
    for sku in skus:
        votes.take(_observed(CLASSIFY), [_seen(sku)])
    return votes


def _verdict(votes: Votes, expected: Expected | None = WANTED, standing: Verdict | None = None) -> Verdict | None:
    agreed = votes.outcome("L", expected, standing).agreed
    return agreed.judgement.verdict if agreed else None


def test_votes_below_the_number_that_is_asked_for_decide_nothing() -> None:
    assert _verdict(_votes("A")) is None
    assert _verdict(_votes("A", "A")) is Verdict.MATCH


def test_a_change_in_the_slot_makes_earlier_votes_void() -> None:
    votes = _votes("A", "A")
    touched, changed = votes.take(_observed(CHANGED), [_seen("B")])
    assert (touched, changed) == ({"L"}, {"L"})
    assert _verdict(votes) is None


def test_a_slot_stays_wanted_until_its_votes_agree_and_then_no_longer() -> None:
    votes = _votes()
    votes.schedule_classification("L")
    assert votes.scheduled_slots == [True]
    votes.take(_observed(CLASSIFY), [_seen("A")])
    _verdict(votes)
    assert votes.scheduled_slots == [True]
    votes.take(_observed(CLASSIFY), [_seen("A")])
    _verdict(votes)
    assert votes.scheduled_slots == [False]


def test_a_slot_whose_votes_never_agree_is_wanted_for_a_window_of_them_only() -> None:
    votes, wanted = _votes(), []
    for sku in ("A", "B", "empty"):
        votes.take(_observed(CLASSIFY), [_seen(sku)])
        _verdict(votes)
        wanted += votes.scheduled_slots
    assert wanted == [True, True, False]


def test_judging_again_without_a_new_vote_wants_nothing() -> None:
    votes = _votes("A", "A")
    assert _verdict(votes) is Verdict.MATCH
    assert _verdict(votes, Expected(revision=2, sku="B")) is Verdict.MISMATCH
    votes.take(_observed(REST), [])
    _verdict(votes, Expected(revision=3, sku="A"))
    assert votes.scheduled_slots == [False]


def test_an_expectation_that_changes_judges_the_same_votes_anew() -> None:
    votes = _votes("A", "A")
    assert _verdict(votes) is Verdict.MATCH
    assert _verdict(votes, Expected(revision=2, sku="B")) is Verdict.MISMATCH
    assert _verdict(votes, Expected(revision=3, managed=False)) is Verdict.UNMANAGED


def test_other_rules_judge_the_same_votes_anew_and_keep_a_window_of_them() -> None:
    votes = _votes("B", "A", "A")
    assert _verdict(votes) is Verdict.MATCH
    votes.apply_settings(VerdictSection(votes=2, window=2, match_likelihood=0.99999, mismatch_likelihood=0.5))
    assert _verdict(votes) is Verdict.UNCERTAIN
    votes.apply_settings(RULES)
    assert _verdict(votes) is Verdict.MATCH


def test_what_its_own_empty_picture_says_counts() -> None:
    votes = Votes([("L", None)], RULES)
    for _ in range(2):
        votes.take(_observed(CLASSIFY, like_empty=True), [_seen("A")])
    agreed = votes.outcome("L", WANTED).agreed
    assert agreed
    assert agreed.judgement.verdict is Verdict.UNCERTAIN
    assert "disagree on whether it is empty" in agreed.judgement.reason


def test_something_before_a_slot_is_told_once_it_comes_and_goes() -> None:
    votes = _votes("A", "A")
    assert votes.take(_observed(Activity(classify=False, obstructed=True, busy=True)), [])[0] == {"L"}
    assert votes.take(_observed(Activity(classify=False, obstructed=True)), [])[0] == set()
    outcome = votes.outcome("L", WANTED)
    assert (outcome.is_obstructed, outcome.is_busy, votes.is_busy("L")) == (True, False, False)
    assert votes.take(_observed(REST), [])[0] == {"L"}
    assert not votes.outcome("L", WANTED).is_obstructed


def test_a_lost_view_leaves_no_votes_and_nothing_before_a_slot() -> None:
    votes = _votes("A", "A")
    votes.schedule_classification("L")
    votes.take(_observed(Activity(classify=False, obstructed=True, busy=True)), [])
    votes.signal_lost()
    outcome = votes.outcome("L", WANTED)
    assert (outcome.agreed, outcome.is_obstructed, outcome.is_busy) == (None, False, False)
    assert votes.scheduled_slots == [False]


def test_votes_are_cast_anew_on_every_slot_and_only_they_count() -> None:
    votes = _votes("A", "A")
    before = votes.contents("L")
    votes.vote_anew()
    assert votes.scheduled_slots == [True]
    assert _verdict(votes) is None
    assert votes.contents("L") == before, "nothing else stands there"
    votes.clear()
    assert votes.scheduled_slots == [False]
    assert votes.contents("L") != before


def test_the_slots_of_a_location_are_its_facings() -> None:
    votes = Votes([("L", 1), ("M", None), ("L", 2)], RULES)
    assert (votes.locations, list(votes.slots_of("L")), list(votes.slots_of("M"))) == (("L", "M"), [0, 2], [1])


def _state(verdict: Verdict) -> LocationState:
    return LocationState(
        location="L", camera="cam", verdict=verdict, since=NOW, last_verified=NOW, valid_until=NOW,
        model=Model(name="m", version="1.0.0"), expected=None, seen=None,
    )  # fmt: skip


def _judge(
    votes: Votes,
    expectations: Mapping[str, Expectation],
    *,
    standing: Verdict | None = None,
    grace_s: float = 60,
    now_s: float = 100,
) -> tuple[Finding | None, LocationJudge]:
    states = {"L": _state(standing)} if standing else {}
    judging = LocationJudge(expectations, states, grace_s, SetClock(NOW, now_s))
    return judging.finding(votes, "L", "cam", NOW), judging


def test_a_finding_says_what_is_seen_and_how_likely_what_is_expected_is() -> None:
    expectation = Expectation(Expected(revision=7, sku="A", quantity=3), received_s=40)
    finding, _ = _judge(_votes("B", "B"), {"L": expectation})
    assert finding
    assert finding.verdict is Verdict.MISMATCH
    assert finding.seen
    assert finding.seen.sku == "B"
    assert finding.expected
    assert (finding.expected.sku, finding.expected.revision, finding.expected.quantity) == ("A", 7, 3)
    assert finding.expected.age_s == 60
    assert finding.expected_likelihood == pytest.approx(_seen("B").likelihood("A"))


def test_without_an_expectation_nothing_is_expected_and_nothing_missed() -> None:
    finding, _ = _judge(_votes("B", "B"), {})
    assert finding
    assert (finding.verdict, finding.expected, finding.expected_likelihood) == (Verdict.UNMANAGED, None, None)


def test_no_alert_within_the_grace_and_one_after_it() -> None:
    fresh = {"L": Expectation(WANTED, received_s=90, replaced_s=90)}
    finding, judging = _judge(_votes("B", "B"), fresh)
    assert finding
    assert (finding.verdict, finding.reason, judging.in_grace) == (Verdict.UNCERTAIN, IN_GRACE, {"L"})
    judging.apply_settings(60, ["M"])
    assert judging.in_grace == set()
    finding, judging = _judge(_votes("B", "B"), fresh, now_s=150)
    assert finding
    assert (finding.verdict, judging.in_grace) == (Verdict.MISMATCH, set())
    finding, judging = _judge(_votes("A", "A"), fresh)
    assert finding
    assert (finding.verdict, judging.in_grace) == (Verdict.MATCH, set())


def test_a_location_before_which_something_moves_is_not_found_to_be_anything() -> None:
    votes = _votes("A", "A")
    votes.take(_observed(Activity(classify=False, busy=True)), [])
    assert _judge(votes, {"L": Expectation(WANTED, 0)})[0] is None


def test_a_standing_match_is_judged_with_its_hysteresis() -> None:
    rules = VerdictSection(votes=2, window=3, match_likelihood=0.9999, hysteresis=0.3)
    expectation = {"L": Expectation(WANTED, 0)}
    doubted, _ = _judge(_votes("A", "A", rules=rules), expectation)
    kept, _ = _judge(_votes("A", "A", rules=rules), expectation, standing=Verdict.MATCH)
    assert doubted
    assert kept
    assert (doubted.verdict, kept.verdict) == (Verdict.UNCERTAIN, Verdict.MATCH)


@pytest.mark.parametrize(
    ("was", "relit", "verdict"),
    [("A", True, Verdict.UNCERTAIN), ("A", False, Verdict.MISMATCH), ("B", True, Verdict.MISMATCH)],
    ids=["it matched, and the light is another", "the same light", "it never matched"],
)
@pytest.mark.parametrize("doubted", [False, True], ids=["trusted", "its view is doubted meanwhile"])
def test_another_light_alone_makes_no_alert_of_a_match(
    was: str, verdict: Verdict, *, relit: bool, doubted: bool
) -> None:
    votes = _votes(was, was)
    _, judging = _judge(votes, {"L": Expectation(WANTED, 0)})
    if doubted:
        votes.vote_anew()
    for _ in range(RULES.votes):
        votes.take(_observed(Activity(classify=True, relit=relit)), [_seen("B")])
    finding = judging.finding(votes, "L", "cam", NOW)
    assert finding
    assert (finding.verdict, finding.reason == IN_ANOTHER_LIGHT) == (verdict, verdict is Verdict.UNCERTAIN)


def test_what_never_comes_to_rest_is_told_once_with_its_remedy(caplog: pytest.LogCaptureFixture) -> None:
    clock, votes = SetClock(NOW, 0.0), _votes()
    judging = LocationJudge({}, {}, 0.0, clock)

    def reason(now_s: float, *, obstructed: bool) -> str:
        clock.set(NOW, now_s)
        votes.take(_observed(Activity(classify=False, obstructed=obstructed)), [])
        finding = judging.finding(votes, "L", "rack", NOW)
        return finding.reason if finding else ""

    seen = [reason(at_s, obstructed=True) for at_s in (0.0, 599.0, 600.0, 900.0)]
    assert [text == OBSTRUCTED for text in seen] == [True, True, False, False]
    assert "mask of [[cameras]]" in seen[-1]
    assert [record.getMessage() for record in caplog.records] == [f"location L: {seen[-1]}"]
    reason(901.0, obstructed=False)
    assert reason(902.0, obstructed=True) == OBSTRUCTED, "it had come to rest"
