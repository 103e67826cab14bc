"""A camera's part of the line: what is classified, how long a vote stays open, facings, what a lost view forgets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_agent.config.cameras import CameraSection
from edge_agent.config.sections import GateSection, VerdictSection, ViewSection
from edge_agent.seeing import watch as watching
from edge_agent.seeing.slots import Cutting
from edge_agent.seeing.watch import BAD_IN_A_ROW, Look, Watch
from kardus.contract.messages import Expected
from kardus.contract.verdicts import Verdict
from kardus.inference.classification import Classification, SkuScore
from kardus.inference.geometry import FloatArray
from kardus.inference.preprocess import Pixels, rectify
from kardus.support.errors import DataError
from simulator.script import Change, Kind
from tests.edge_agent.racks import RACK, frame, nudged, shelf, still

FIRST, SECOND = (slot.location for slot in RACK.slots()[:2])
RULES = VerdictSection(votes=3, window=5)


def _corners(index: int) -> list[list[float]]:
    return [[float(x), float(y)] for x, y in RACK.slots()[index].corners]


def _watch(*, facings: bool = False, reference: Path | None = None) -> Watch:
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
    return Watch(camera, ViewSection(), GateSection(refresh_s=100), RULES, live=False)


def _see(watch: Watch, pixels: Pixels, at_s: float) -> Look:
    picture = frame(pixels, at_s)
    view = watch.check(picture)
    assert view.problem is None
    return watch.look(picture, view, 32)


def _seen(sku: str) -> Classification:
    others = (SkuScore(name, 0.005) for name in ("A", "B", "C", "empty") if name != sku)
    scores = (SkuScore(sku, 0.98), *others)
    return Classification(sku, sku, "category", 0.98, 0.98, known=True, skus=scores)


@pytest.fixture
def cuttings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many slots each cutting was of."""
    seen: list[int] = []

    class Counted(Cutting):
        def __init__(self, corners: FloatArray, picture: Image.Image, size_px: int) -> None:
            seen.append(len(corners))
            super().__init__(corners, picture, size_px)

    monkeypatch.setattr(watching, "Cutting", Counted)
    return seen


def _see_ahead(watch: Watch, pixels: Pixels, at_s: float) -> Look:
    """As the line does it: what is wanted anyway is cut out while the view is judged."""
    picture = frame(pixels, at_s)
    watch.foresee(picture, 32)
    look = watch.look(picture, watch.check(picture), 32)
    for crop, corners in zip(look.crops, look.corners, strict=True):
        assert np.array_equal(crop, rectify(pixels, corners, 32))
    return look


def test_what_is_wanted_anyway_is_cut_once_as_long_as_the_camera_stands_still(cuttings: list[int]) -> None:
    watch = _watch()
    assert _see_ahead(watch, still(1), 1).slots == (0, 1)
    watch.look_again()
    assert _see_ahead(watch, still(2), 2).slots == (0, 1)
    watch.want(SECOND)
    assert _see_ahead(watch, still(3), 3).slots == (0, 1), "a vote is still open at the first"
    assert cuttings == [2, 2, 2]


def test_what_was_cut_at_the_places_of_before_does_not_count_where_the_camera_was_nudged(cuttings: list[int]) -> None:
    watch = _watch()
    before = _see_ahead(watch, still(1), 1)
    watch.look_again()
    after = _see_ahead(watch, nudged(still(2), 12, 0), 2)
    assert after.slots == (0, 1)
    assert np.allclose(after.corners - before.corners, [12, 0], atol=1)
    assert cuttings == [2, 2, 2]


def test_a_slot_that_changed_is_cut_though_nobody_foresaw_it(cuttings: list[int]) -> None:
    watch = _watch()
    _see_ahead(watch, still(1), 1)
    gone = shelf(Change(0, Kind.REMOVE, FIRST))
    assert _see_ahead(watch, gone.frame(1), 2).slots == ()
    assert _see_ahead(watch, gone.frame(2), 3).slots == (0,)
    assert cuttings == [2, 0, 0, 1]


def _expect(sku: str | None) -> Expected:
    return Expected(revision=1, sku=sku)


def _play(watch: Watch, answers: list[list[str]], expected: Expected, start_s: float = 1.0) -> list[int]:
    """Still pictures, a second apart; how many crops each asked for. Each answer is what its slots show."""
    asked = []
    for number, skus in enumerate(answers):
        look = _see(watch, still(number), start_s + number)
        watch.take(look, [_seen(skus[slot]) for slot in look.slots], dict.fromkeys(watch.locations, expected), {})
        asked.append(len(look.slots))
    return asked


def test_a_vote_stays_open_until_it_is_decided_and_then_nothing_is_classified() -> None:
    watch = _watch()
    assert _play(watch, [["A", "A"]] * 6, _expect("A")) == [2, 2, 2, 0, 0, 0]
    decided = watch.decide(FIRST, _expect("A"))
    assert decided
    assert decided.judgement.verdict is Verdict.MATCH


def test_a_slot_whose_looks_disagree_is_looked_at_a_window_long() -> None:
    watch = _watch()
    answers = [["A", "A"], ["B", "A"], ["C", "A"], ["A", "A"], ["B", "A"], ["C", "A"], ["A", "A"]]
    assert _play(watch, answers, _expect("A")) == [2, 2, 2, 1, 1, 0, 0]
    decided = watch.decide(FIRST, _expect("A"))
    assert decided
    assert decided.judgement.verdict is Verdict.UNCERTAIN


def test_a_look_that_contradicts_after_a_while_opens_the_vote_again() -> None:
    watch = _watch()
    _play(watch, [["A", "A"]] * 4, _expect("A"))
    asked = _play(watch, [["B", "A"]] * 5, _expect("A"), start_s=200)
    assert asked == [2, 1, 1, 0, 0]
    decided = watch.decide(FIRST, _expect("A"))
    assert decided
    assert decided.judgement.verdict is Verdict.MISMATCH


def test_a_changed_expectation_asks_for_another_look() -> None:
    watch = _watch()
    _play(watch, [["A", "A"]] * 4, _expect("A"))
    watch.want(SECOND)
    look = _see(watch, still(5), 10)
    assert look.slots == (1,)
    assert look.touched == {SECOND}
    watch.take(look, [_seen("A")], {FIRST: _expect("A"), SECOND: _expect("B")}, {})
    decided = watch.decide(SECOND, _expect("B"))
    assert decided
    assert decided.judgement.verdict is Verdict.MISMATCH


def test_the_crops_are_those_of_the_slots_that_are_asked_for() -> None:
    watch = _watch()
    look = _see(watch, still(0), 1)
    assert look.crops.shape == (2, 32, 32, 3)
    moved = _watch()
    _see(moved, still(0), 1)
    again = _see(moved, nudged(still(1), 12, 6), 200)
    assert again.crops.shape == (2, 32, 32, 3)
    assert np.abs(again.crops.astype(int) - look.crops).mean() < 8, "the slots followed the nudge"


def test_one_bad_picture_is_passed_over_and_two_are_a_lost_view() -> None:
    watch = _watch()
    _see(watch, still(0), 1)
    for number in range(1, BAD_IN_A_ROW + 1):
        assert watch.check(frame(still(1) // 30, 1 + number)).problem == "dark"
        assert watch.is_view_lost == (number == BAD_IN_A_ROW)
    watch.check(frame(still(2), 9))
    assert not watch.is_view_lost


def test_what_was_seen_before_a_lost_view_does_not_count() -> None:
    watch = _watch()
    _play(watch, [["A", "A"]] * 4, _expect("A"))
    watch.lose()
    assert watch.decide(FIRST, _expect("A")) is None
    assert _play(watch, [["A", "A"]] * 4, _expect("A"), start_s=50) == [2, 2, 2, 0]


def test_somebody_in_front_obstructs_and_is_told_once() -> None:
    from simulator.script import Change, Kind

    watch = _watch()
    _play(watch, [["A", "A"]] * 4, _expect("A"))
    standing = shelf(Change(0, Kind.WALK_PAST, amount=8.0)).frame(1)
    touched = [_see(watch, standing, 20).touched]
    assert watch.is_busy(FIRST), "seen, and nothing is known of it by this picture"
    assert not watch.is_busy(SECOND)
    touched += [_see(watch, standing, 21 + number).touched for number in range(3)]
    assert touched == [frozenset(), frozenset(), frozenset({FIRST}), frozenset()]
    assert watch.is_obstructed(FIRST)
    assert not watch.is_obstructed(SECOND)
    for number in range(2):
        look = _see(watch, still(number), 30 + number)
    assert not watch.is_obstructed(FIRST)
    assert not watch.is_busy(FIRST)
    assert not look.slots


@pytest.mark.parametrize(
    ("shown", "verdict", "facing"),
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
    shown: list[str], verdict: Verdict, facing: int | None
) -> None:
    watch = _watch(facings=True)
    assert watch.locations == (FIRST,)
    _play(watch, [shown] * 3, _expect("A"))
    decided = watch.decide(FIRST, _expect("A"))
    assert decided
    assert (decided.judgement.verdict, decided.facing) == (verdict, facing)


def test_a_location_waits_for_all_its_facings() -> None:
    watch = _watch(facings=True)
    _play(watch, [["A", "A"], ["A", "B"], ["A", "C"]], _expect("A"))
    assert watch.decide(FIRST, _expect("A")) is None


def test_a_commissioning_picture_is_what_the_view_is_held_against(tmp_path: Path) -> None:
    Image.fromarray(still(0)).save(tmp_path / "reference.png")
    watch = _watch(reference=tmp_path / "reference.png")
    assert watch.check(frame(nudged(still(1), 80, 0))).problem == "moved"


def test_a_commissioning_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png"):
        _watch(reference=tmp_path / "gone.png")
