"""A camera's view and its votes: what is classified, how long a vote stays open, facings, what a lost view forgets."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_agent.cameras import Cameras
from edge_agent.config.cameras import CameraSection
from edge_agent.config.sections import GateSection, VerdictSection, ViewSection
from edge_agent.deciding import judging, verdict
from edge_agent.deciding.judging import Votes
from edge_agent.deciding.verdict import AgreedVerdict, Judgement
from edge_agent.records import Activity, Expectation, SlotObservations
from edge_agent.seeing import camera_view
from edge_agent.seeing.camera_view import BAD_IN_A_ROW, CameraView, SlotCutting
from kardus.contract.messages import Expected
from kardus.contract.verdicts import Verdict
from kardus.inference.classification import Classification
from kardus.inference.geometry import Float64Array
from kardus.inference.preprocess import Pixels, rectify
from kardus.support.clock import SetClock
from kardus.support.errors import ConfigError, UnknownLocationError
from simulator.script import Change, ChangeKind
from tests.edge_agent.one_slot import one_slot_config, seen_as
from tests.edge_agent.racks import RACK, frame, nudged, shelf, still, write_still

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST, SECOND = (slot.location for slot in RACK.slots()[:2])
RULES = VerdictSection(votes=3, window=5)


def _corners(index: int) -> list[list[float]]:
    return [[float(x), float(y)] for x, y in RACK.slots()[index].corners]


@dataclass
class Watched:
    """A camera's view and votes, as the pipeline uses them together."""

    view: CameraView
    votes: Votes
    touched: set[str] = field(default_factory=set)
    """By the last picture."""

    def see(self, pixels: Pixels, at_s: float) -> SlotObservations:
        """A good picture; what is wanted anyway is cut out while the view is judged."""
        picture, wanted = frame(pixels, at_s), self.votes.scheduled_slots
        self.view.cut_ahead(picture, wanted, 32)
        view = self.view.check(picture)
        assert view.problem is None
        return self.view.see(picture, view, wanted, 32)

    def take(self, observed: SlotObservations, answers: list[Classification], expected: dict[str, Expected]) -> None:
        """What the classifier says of it."""
        self.touched, _ = self.votes.take(observed, answers)
        for location in self.touched:
            self.votes.outcome(location, expected[location])

    def decide(self, location: str, expected: Expected) -> AgreedVerdict | None:
        """What the votes come to."""
        return self.votes.outcome(location, expected).agreed


def _watch(*, facings: bool = False, reference: Path | None = None) -> Watched:
    """The first two locations of the rack, or one location with those two as its facings."""
    locations = (
        [{"id": FIRST, "facings": [_corners(0), _corners(1)]}]
        if facings
        else [{"id": FIRST, "corners": _corners(0)}, {"id": SECOND, "corners": _corners(1)}]
    )
    camera = CameraSection.model_validate(
        {
            "name": "rack",
            "source": {"type": "file", "path": "x.jpg"},
            "locations": locations,
            "reference": reference,
        }
    )
    view = CameraView(camera, ViewSection(), GateSection(refresh_s=100), live=False)
    return Watched(view, Votes([(slot.location, slot.facing) for slot in view.slots], RULES))


@pytest.fixture
def cuttings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many slots each cutting was of."""
    seen: list[int] = []

    class Counted(SlotCutting):
        def __init__(self, corners: Float64Array, picture: Image.Image, size_px: int) -> None:
            seen.append(len(corners))
            super().__init__(corners, picture, size_px)

    monkeypatch.setattr(camera_view, "SlotCutting", Counted)
    return seen


def _see_ahead(watch: Watched, pixels: Pixels, at_s: float) -> SlotObservations:
    """A picture whose crops are those of the training, slot by slot."""
    observed = watch.see(pixels, at_s)
    for crop, corners in zip(observed.crops, observed.corners, strict=True):
        assert np.array_equal(crop, rectify(pixels, corners, 32))
    return observed


def test_what_is_wanted_anyway_is_cut_once_as_long_as_the_camera_stands_still(cuttings: list[int]) -> None:
    watch = _watch()
    assert _see_ahead(watch, still(1), 1).chosen == (0, 1)
    watch.votes.vote_anew()
    assert _see_ahead(watch, still(2), 2).chosen == (0, 1)
    watch.votes.schedule_classification(SECOND)
    assert _see_ahead(watch, still(3), 3).chosen == (0, 1), "a vote is still open at the first"
    assert cuttings == [2, 2, 2]


def test_what_was_cut_at_the_places_of_before_does_not_count_where_the_camera_was_nudged(cuttings: list[int]) -> None:
    watch = _watch()
    before = _see_ahead(watch, still(1), 1)
    watch.votes.vote_anew()
    after = _see_ahead(watch, nudged(still(2), 12, 0), 2)
    assert after.chosen == (0, 1)
    assert np.allclose(after.corners - before.corners, [12, 0], atol=1)
    assert cuttings == [2, 2, 2]


def test_a_slot_that_changed_is_cut_though_nobody_foresaw_it(cuttings: list[int]) -> None:
    watch = _watch()
    _see_ahead(watch, still(1), 1)
    gone = shelf(Change(0, ChangeKind.REMOVE, FIRST))
    assert _see_ahead(watch, gone.frame(1), 2).chosen == ()
    assert _see_ahead(watch, gone.frame(2), 3).chosen == (0,)
    assert cuttings == [2, 1]


def _expect(sku: str | None) -> Expected:
    return Expected(revision=1, sku=sku)


def _play(watch: Watched, answers: list[list[str]], expected: Expected, start_s: float = 1.0) -> list[int]:
    """Still pictures, a second apart; how many crops each asked for. Each answer is what its slots show."""
    asked = []
    for number, skus in enumerate(answers):
        look = watch.see(still(number), start_s + number)
        watch.take(look, [seen_as(skus[slot]) for slot in look.chosen], dict.fromkeys(watch.votes.locations, expected))
        asked.append(len(look.chosen))
    return asked


def test_a_vote_stays_open_until_it_is_decided_and_then_nothing_is_classified() -> None:
    watch = _watch()
    assert _play(watch, [["A", "A"]] * 6, _expect("A")) == [2, 2, 2, 0, 0, 0]
    agreed = watch.decide(FIRST, _expect("A"))
    assert agreed
    assert agreed.judgement.verdict is Verdict.MATCH


def test_a_slot_whose_looks_disagree_is_looked_at_a_window_long() -> None:
    watch = _watch()
    answers = [["A", "A"], ["B", "A"], ["C", "A"], ["A", "A"], ["B", "A"], ["C", "A"], ["A", "A"]]
    assert _play(watch, answers, _expect("A")) == [2, 2, 2, 1, 1, 0, 0]
    agreed = watch.decide(FIRST, _expect("A"))
    assert agreed
    assert agreed.judgement.verdict is Verdict.UNCERTAIN


def test_a_look_that_contradicts_after_a_while_opens_the_vote_again() -> None:
    watch = _watch()
    _play(watch, [["A", "A"]] * 4, _expect("A"))
    asked = _play(watch, [["B", "A"]] * 5, _expect("A"), start_s=200)
    assert asked == [2, 1, 1, 0, 0]
    agreed = watch.decide(FIRST, _expect("A"))
    assert agreed
    assert agreed.judgement.verdict is Verdict.MISMATCH


def test_a_changed_expectation_asks_for_another_look() -> None:
    watch = _watch()
    _play(watch, [["A", "A"]] * 4, _expect("A"))
    watch.votes.schedule_classification(SECOND)
    look = watch.see(still(5), 10)
    assert look.chosen == (1,)
    watch.take(look, [seen_as("A")], {FIRST: _expect("A"), SECOND: _expect("B")})
    assert watch.touched == {SECOND}
    agreed = watch.decide(SECOND, _expect("B"))
    assert agreed
    assert agreed.judgement.verdict is Verdict.MISMATCH


def test_the_crops_are_those_of_the_slots_that_are_asked_for() -> None:
    watch = _watch()
    look = watch.see(still(0), 1)
    assert look.crops.shape == (2, 32, 32, 3)
    moved = _watch()
    moved.see(still(0), 1)
    again = moved.see(nudged(still(1), 12, 6), 200)
    assert again.crops.shape == (2, 32, 32, 3)
    assert np.abs(again.crops.astype(int) - look.crops).mean() < 8, "the slots followed the nudge"


def test_one_bad_picture_is_passed_over_and_two_are_a_lost_view() -> None:
    watch = _watch()
    watch.see(still(0), 1)
    for number in range(1, BAD_IN_A_ROW + 1):
        assert watch.view.check(frame(still(1) // 30, 1 + number)).problem == "dark"
        assert watch.view.is_lost == (number == BAD_IN_A_ROW)
    watch.view.check(frame(still(2), 9))
    assert not watch.view.is_lost


def test_what_was_seen_before_a_lost_view_does_not_count() -> None:
    watch = _watch()
    _play(watch, [["A", "A"]] * 4, _expect("A"))
    watch.view.signal_lost()
    watch.votes.signal_lost()
    assert watch.decide(FIRST, _expect("A")) is None
    assert _play(watch, [["A", "A"]] * 4, _expect("A"), start_s=50) == [2, 2, 2, 0]


def test_somebody_in_front_obstructs_and_is_told_once() -> None:
    watch = _watch()
    _play(watch, [["A", "A"]] * 4, _expect("A"))
    standing = shelf(Change(0, ChangeKind.WALK_PAST, amount=8.0)).frame(1)

    def pass_by(pixels: Pixels, at_s: float) -> set[str]:
        observed = watch.see(pixels, at_s)
        assert not observed.chosen
        return watch.votes.take(observed, [])[0]

    def is_obstructed(location: str) -> bool:
        return watch.votes.outcome(location, _expect("A")).is_obstructed

    touched = [pass_by(standing, 20)]
    assert watch.votes.is_busy(FIRST), "seen, and nothing is known of it by this picture"
    assert not watch.votes.is_busy(SECOND)
    touched += [pass_by(standing, 21 + number) for number in range(3)]
    assert touched == [set(), set(), {FIRST}, set()]
    assert is_obstructed(FIRST)
    assert not is_obstructed(SECOND)
    for number in range(2):
        pass_by(still(number), 30 + number)
    assert not is_obstructed(FIRST)
    assert not watch.votes.is_busy(FIRST)


@pytest.mark.parametrize(
    ("shown", "wanted", "facing"),
    [
        (["A", "A"], Verdict.MATCH, None),
        (["A", "B"], Verdict.MISMATCH, 2),
        (["B", "A"], Verdict.MISMATCH, 1),
        (["B", "B"], Verdict.MISMATCH, None),
        (["A", "empty"], Verdict.MATCH, None),
        (["empty", "empty"], Verdict.EMPTY, None),
        (["empty", "B"], Verdict.MISMATCH, 2),
    ],
)
def test_the_facings_of_a_location_make_one_verdict_that_names_the_one_that_disagrees(
    shown: list[str], wanted: Verdict, facing: int | None
) -> None:
    watch = _watch(facings=True)
    assert watch.votes.locations == (FIRST,)
    _play(watch, [shown] * 3, _expect("A"))
    agreed = watch.decide(FIRST, _expect("A"))
    assert agreed
    assert (agreed.judgement.verdict, agreed.facing) == (wanted, facing)


def test_a_location_waits_for_all_its_facings() -> None:
    watch = _watch(facings=True)
    _play(watch, [["A", "A"], ["A", "B"], ["A", "C"]], _expect("A"))
    assert watch.decide(FIRST, _expect("A")) is None


def test_a_commissioning_picture_is_what_the_view_is_held_against(tmp_path: Path) -> None:
    write_still(tmp_path / "reference.png")
    watch = _watch(reference=tmp_path / "reference.png")
    assert watch.view.check(frame(nudged(still(1), 80, 0))).problem == "moved"


def test_a_commissioning_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cameras 'rack': reference = .*gone\.png: no such picture: take it again"):
        _watch(reference=tmp_path / "gone.png")


def test_the_first_picture_and_an_exchanged_carton_are_told_as_other_stock() -> None:
    watch = _watch()
    changed = []
    for number in range(3):
        observed = watch.see(still(number), number)
        changed.append(watch.votes.take(observed, [seen_as("A")] * len(observed.chosen))[1])
    assert changed == [{FIRST, SECOND}, set(), set()]
    gone = shelf(Change(0, ChangeKind.REMOVE, FIRST))
    for number in range(3, 5):
        observed = watch.see(gone.frame(number), number)
        changed.append(watch.votes.take(observed, [seen_as("A")] * len(observed.chosen))[1])
    assert changed[-1] == {FIRST}


def test_a_vote_is_judged_once_and_again_for_another_expectation(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, judged, first, other = _watch(), [], _expect("A"), _expect("B")
    real = verdict.judge_vote

    def counting(seen: Classification, *rest: Any) -> Judgement:
        judged.append(seen)
        return real(seen, *rest)

    monkeypatch.setattr(judging, "judge_vote", counting)
    observed = watch.see(still(0), 0)
    watch.votes.take(observed, [seen_as("A"), seen_as("A")])
    for _ in range(3):
        watch.decide(FIRST, first)
    assert len(judged) == 1
    watch.decide(FIRST, other)
    assert len(judged) == 2


def test_a_location_that_no_camera_sees_is_named() -> None:
    with pytest.raises(UnknownLocationError, match="location 'nowhere'"):
        Cameras(one_slot_config(), lambda _: None).watching("nowhere")


def test_a_location_that_leaves_the_configuration_during_its_grace_is_not_judged_again() -> None:
    votes, clock = Votes([(FIRST, None)], RULES), SetClock(datetime(2026, 3, 1, tzinfo=UTC), 10.0)
    expected = {FIRST: Expectation(_expect("A"), 5.0, replaced_s=9.0)}
    watched = judging.LocationJudge(expected, {}, 60, clock)
    observed = watch_of_one()
    for _ in range(3):
        votes.take(observed, [seen_as("B")])
    watched.finding(votes, FIRST, "rack", clock.now())
    assert watched.in_grace == {FIRST}
    watched.apply_settings(60, {SECOND})
    assert watched.in_grace == set()


def watch_of_one() -> SlotObservations:
    """A picture of one slot that is to be classified."""
    empty = np.empty((1, 4, 2))
    picture = Image.new("RGB", (4, 4))
    return SlotObservations(
        datetime(2026, 3, 1, tzinfo=UTC),
        [Activity(classify=True)],
        (0,),
        picture,
        empty,
        np.empty(0, np.uint8),
        (None,),
    )
