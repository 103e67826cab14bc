"""What somebody says of a look counts for that look alone, and hides nothing that happens after it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edge_agent.config.sections import VerdictSection
from edge_agent.deciding.corrections import Correction, corrected_verdict
from edge_agent.deciding.judging import LocationJudge, Votes
from edge_agent.records import Activity, Expectation, Finding, SlotObservations
from kardus.contract.manifest import Calibration, ClassInfo
from kardus.contract.messages import Expected
from kardus.contract.verdicts import Verdict
from kardus.inference.classification import Classification, interpret
from kardus.support.errors import KardusError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLASSES = tuple(ClassInfo(name=name, category=name, sku=name) for name in ("A", "B", "empty"))
RULES = VerdictSection(votes=1, window=1)
RIGHT = Correction("product", "A", "picker 7")


def _seen(sku: str) -> Classification:
    logits = np.array([[9.0 if info.sku == sku else 0.0 for info in CLASSES]], np.float32)
    return interpret(logits, CLASSES, Calibration(), logits.max(axis=1))[0]


class Shelf:
    """One location, L, at which the WMS expects A."""

    def __init__(self) -> None:
        """Nobody has looked yet."""
        self.votes = Votes([("L", None)], RULES)
        self.expected = {"L": Expectation(Expected(revision=1, sku="A"), 0.0)}
        self._location_judge = LocationJudge(self.expected, {}, 0.0)
        self.now = NOON

    def look(self, sku: str, *, changed: bool = False) -> Finding:
        """The model says so of the next picture."""
        self.now += timedelta(minutes=1)
        activity = Activity(classify=True, changed=changed)
        picture, corners = Image.new("RGB", (8, 8)), np.zeros((1, 4, 2))
        crops = np.zeros((1, 8, 8, 3), np.uint8)
        self.votes.take(SlotObservations(self.now, (activity,), (0,), picture, corners, crops, (None,)), [_seen(sku)])
        return self.judge()

    def judge(self) -> Finding:
        """What it comes to."""
        found = self._location_judge.finding(self.votes, "L", "cam", self.now)
        assert found
        return found

    def correct(self, correction: Correction, ago_s: float = 0.0) -> None:
        """Somebody says so of a picture."""
        self.votes.correct("L", correction, self.now - timedelta(seconds=ago_s))


def _told(found: Finding) -> tuple[Verdict, str | None, bool]:
    return found.verdict, found.seen.sku if found.seen else None, found.corrected


def test_a_word_counts_as_long_as_the_same_is_seen() -> None:
    shelf = Shelf()
    assert _told(shelf.look("B")) == (Verdict.MISMATCH, "B", False)
    shelf.correct(RIGHT)
    found = shelf.judge()
    assert _told(found) == (Verdict.MATCH, "A", True)
    assert found.reason == "corrected by picker 7"
    assert found.seen
    assert found.seen.top[0].sku == "B"
    assert _told(shelf.look("B")) == (Verdict.MATCH, "A", True)


@pytest.mark.parametrize("how", ["moved", "lost", "another model", "seen otherwise"])
def test_what_happens_afterwards_ends_it(how: str) -> None:
    shelf = Shelf()
    shelf.look("B")
    shelf.correct(RIGHT)
    shelf.look("B")
    if how == "lost":
        shelf.votes.signal_lost()
    elif how == "another model":
        shelf.votes.clear()
    elif how == "seen otherwise":
        assert shelf.look("empty").verdict is Verdict.EMPTY
        shelf.look("B")
    assert _told(shelf.look("B", changed=how == "moved")) == (Verdict.MISMATCH, "B", False)


def test_votes_that_are_cast_anew_leave_it() -> None:
    shelf = Shelf()
    shelf.look("B")
    shelf.correct(RIGHT)
    shelf.votes.vote_anew()
    shelf.look("B")
    assert _told(shelf.look("B")) == (Verdict.MATCH, "A", True)


def test_a_word_on_a_picture_from_before_a_change_is_refused() -> None:
    shelf = Shelf()
    with pytest.raises(KardusError, match="'L' has changed, or was out of sight, since that picture: look again"):
        shelf.correct(RIGHT)
    shelf.look("B")
    shelf.look("B", changed=True)
    with pytest.raises(KardusError, match="has changed"):
        shelf.correct(RIGHT, ago_s=1)
    assert _told(shelf.judge()) == (Verdict.MISMATCH, "B", False)
    shelf.correct(RIGHT)
    assert shelf.judge().corrected


def test_the_very_picture_is_known_by_the_milliseconds_of_its_event() -> None:
    shelf = Shelf()
    shelf.now += timedelta(microseconds=999)
    shelf.look("B")
    shelf.votes.correct("L", RIGHT, shelf.now.replace(microsecond=0))
    assert shelf.judge().corrected


def test_what_is_withdrawn_counts_no_more() -> None:
    shelf = Shelf()
    shelf.look("B")
    shelf.correct(RIGHT)
    shelf.correct(Correction("withdrawn", "", "picker 7"))
    assert _told(shelf.judge()) == (Verdict.MISMATCH, "B", False)


def test_a_word_is_judged_against_what_is_expected_now() -> None:
    shelf = Shelf()
    shelf.look("A")
    shelf.correct(Correction("product", "C", ""))
    found = shelf.judge()
    assert (_told(found), found.reason) == ((Verdict.MISMATCH, "C", True), "corrected")
    shelf.expected["L"] = Expectation(Expected(revision=2, sku="C"), 0.0)
    assert _told(shelf.judge()) == (Verdict.MATCH, "C", True)


@pytest.mark.parametrize(
    ("truth", "sku", "expected", "verdict"),
    [
        ("product", "A", "A", Verdict.MATCH),
        ("product", "B", "A", Verdict.MISMATCH),
        ("product", "B", None, Verdict.UNEXPECTED),
        ("empty", "", "A", Verdict.EMPTY),
        ("empty", "", None, Verdict.MATCH),
        ("foreign", "", "A", Verdict.UNKNOWN),
        ("foreign", "", None, Verdict.UNEXPECTED),
    ],
)
def test_every_word_has_its_verdict(truth: str, sku: str, expected: str | None, verdict: Verdict) -> None:
    correction = Correction(truth, sku, "")  # type: ignore[arg-type]  # one of its texts
    found = corrected_verdict(correction, Expected(revision=1, sku=expected), None, _seen("B"))
    assert found.judgement.verdict is verdict
    assert corrected_verdict(correction, None, None, _seen("B")).judgement.verdict is Verdict.UNMANAGED


@given(st.lists(st.sampled_from(["A", "B", "empty", "change to B", "lose", "correct"]), max_size=25))
def test_a_word_never_covers_another_content_or_another_answer(steps: list[str]) -> None:
    shelf, claim, last = Shelf(), "", ""
    for step in steps:
        if step == "lose":
            shelf.votes.signal_lost()
            claim = last = ""
        elif step == "correct":
            if last:
                shelf.correct(RIGHT)
                assert shelf.judge().corrected
                claim = last
            continue
        else:
            last = step.removeprefix("change to ")
            found = shelf.look(last, changed=step.startswith("change"))
            claim = claim if claim == last and not step.startswith("change") else ""
            assert found.corrected is bool(claim)
            assert claim or found.verdict is ({"A": Verdict.MATCH, "B": Verdict.MISMATCH, "empty": Verdict.EMPTY}[last])
