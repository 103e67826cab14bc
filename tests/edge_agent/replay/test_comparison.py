"""Where two configurations differ, and how often each was right."""

from datetime import UTC, datetime, timedelta

from edge_agent.records import Finding
from edge_agent.replay.comparison import ReplayComparison, Tally, VerdictChange
from kardus.contract.messages import Seen
from kardus.contract.verdicts import Verdict

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _at(second: int) -> datetime:
    return NOON + timedelta(seconds=second)


def _change(
    second: int, verdict: Verdict, previous: str = "", seen: str | None = None, reason: str = ""
) -> VerdictChange:
    found = Seen(sku=seen) if seen else None
    return VerdictChange(_at(second), Finding("L", verdict, "left", _at(second), seen=found, reason=reason), previous)


def _compare(*steps: tuple[list[VerdictChange], list[VerdictChange]]) -> ReplayComparison:
    a, b = Tally(), Tally()
    comparison = ReplayComparison(a, b)
    for second, (of_a, of_b) in enumerate(steps):
        a.take(of_a)
        b.take(of_b)
        comparison.compare([c.finding.location for c in (*of_a, *of_b)], _at(second), is_picture=True)
    return comparison


def test_a_difference_lasts_from_the_one_s_change_to_the_other_s() -> None:
    match = [_change(0, Verdict.MATCH)]
    wrong = [_change(1, Verdict.MISMATCH, "match", "Tea", "why")]
    (difference,) = _compare((match, match), (wrong, []), ([], []), ([], wrong), ([], [])).differences
    assert (difference.since, difference.until, difference.pictures) == (_at(1), _at(3), 2)
    assert (difference.a.verdict, difference.a.seen, difference.a.reason) == ("mismatch", "Tea", "why")
    assert difference.b.verdict == "match"
    assert difference.is_about_an_alert


def test_one_that_never_ends_lasts_to_the_end() -> None:
    match = [_change(0, Verdict.MATCH)]
    (difference,) = _compare((match, match), ([], [_change(1, Verdict.UNCERTAIN)]), ([], [])).differences
    assert (difference.until, difference.pictures, difference.is_about_an_alert) == (None, 2, False)


def test_another_product_is_another_verdict_and_another_reason_is_none() -> None:
    tea, milk = (_change(0, Verdict.MISMATCH, seen=sku) for sku in ("Tea", "Milk"))
    assert len(_compare(([tea], [milk])).differences) == 1
    assert not _compare(([tea], [_change(0, Verdict.MISMATCH, seen="Tea", reason="other words")])).differences


def test_what_only_one_has_said_anything_of_is_no_difference() -> None:
    assert not _compare(([_change(0, Verdict.MATCH)], []), ([], [_change(1, Verdict.MATCH)])).differences


def test_a_difference_that_becomes_another_is_two() -> None:
    match = [_change(0, Verdict.MATCH)]
    unsure, gone = [_change(1, Verdict.UNCERTAIN, "match")], [_change(2, Verdict.EMPTY)]
    first, second = _compare((match, match), (unsure, []), (gone, [])).differences
    assert (first.until, second.since, second.until) == (_at(2), _at(2), None)


def test_right_is_counted_by_pictures_and_by_changes() -> None:
    tally = Tally()
    truths = ["match", "match", "empty", "empty"]
    steps: list[list[VerdictChange]] = [
        [],
        [_change(1, Verdict.MATCH)],
        [],
        [_change(3, Verdict.EMPTY, "match"), _change(3, Verdict.EMPTY, "empty")],
    ]
    for changes, truth in zip(steps, truths, strict=True):
        tally.take(changes)
        tally.judge(changes, {"L": truth})
    assert dict(tally.right) == {False: 2, True: 2}, "nothing said isn't right, and an old verdict isn't either"
    assert dict(tally.right_changes) == {True: 2}
    assert dict(tally.changes) == {"match": 1, "empty": 1}, "the same verdict again is no change"
