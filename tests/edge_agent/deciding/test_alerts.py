"""An alert opens once, survives doubt, and ends when all is well."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.deciding.recorder import WELL, acknowledged, next_alert
from kardus.contract.messages import Alert
from kardus.contract.verdicts import ALERTS, Verdict

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def _after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def _open() -> Alert:
    alert = next_alert(None, Verdict.MISMATCH, NOON)
    assert alert
    return alert


@pytest.mark.parametrize("verdict", sorted(ALERTS))
def test_an_alert_opens_with_its_first_verdict_and_stays_the_same(verdict: Verdict) -> None:
    alert = next_alert(None, verdict, NOON)
    assert alert
    assert (alert.status, alert.opened, alert.resolved) == ("open", NOON, None)
    for other in ALERTS:
        assert next_alert(alert, other, _after(9)) == alert


@pytest.mark.parametrize("verdict", sorted(set(Verdict) - ALERTS - WELL))
def test_doubt_and_a_lost_view_end_no_alert_and_begin_none(verdict: Verdict) -> None:
    assert next_alert(None, verdict, NOON) is None
    assert next_alert(_open(), verdict, _after(9)) is not None


@pytest.mark.parametrize("verdict", sorted(WELL))
def test_all_is_well_ends_it_with_its_duration(verdict: Verdict) -> None:
    alert = _open()
    ended = next_alert(alert, verdict, _after(90))
    assert ended
    assert (ended.id, ended.status, ended.resolved, ended.duration_s) == (alert.id, "resolved", _after(90), 90.0)
    assert next_alert(ended, verdict, _after(99)) is None
    assert next_alert(None, verdict, NOON) is None


def test_it_says_so_where_somebody_has_said_that_it_was_wrong() -> None:
    alert = _open()
    ended = next_alert(alert, Verdict.MATCH, _after(90), reason="corrected")
    assert ended
    assert (ended.status, ended.reason) == ("resolved", "corrected")
    standing = next_alert(alert, Verdict.UNKNOWN, _after(90), reason="corrected")
    assert standing
    assert (standing.status, standing.reason) == ("open", "")


def test_a_new_fault_after_the_end_is_a_new_alert() -> None:
    alert = _open()
    ended = next_alert(alert, Verdict.MATCH, _after(5))
    again = next_alert(ended, Verdict.EMPTY, _after(7))
    assert again
    assert again.id != alert.id
    assert again.status == "open"


def test_an_acknowledged_alert_is_still_the_same_until_it_is_resolved() -> None:
    known = acknowledged(_open(), "picker 7", _after(3))
    assert (known.status, known.by, known.acknowledged) == ("acknowledged", "picker 7", _after(3))
    assert next_alert(known, Verdict.UNKNOWN, _after(4)) == known
    ended = next_alert(known, Verdict.MATCH, _after(10))
    assert ended
    assert (ended.status, ended.by, ended.duration_s) == ("resolved", "picker 7", 10.0)


@pytest.mark.parametrize("jump_s", [-86_400, 86_400])
def test_a_clock_that_jumps_a_day_changes_no_duration(jump_s: float) -> None:
    """FAULTS 16: the duration comes from a clock that never jumps."""
    ended = next_alert(_open(), Verdict.MATCH, _after(jump_s), open_s=12.5)
    assert ended
    assert ended.duration_s == 12.5


def test_without_that_clock_no_duration_is_below_zero() -> None:
    ended = next_alert(_open(), Verdict.MATCH, _after(-500))
    assert ended
    assert ended.duration_s == 0


@given(st.lists(st.sampled_from(Verdict), max_size=30))
def test_whatever_comes_an_alert_stands_exactly_from_its_first_verdict_to_the_one_that_all_is_well(
    verdicts: list[Verdict],
) -> None:
    alert: Alert | None = None
    stands = False
    for number, verdict in enumerate(verdicts):
        before = alert
        alert = next_alert(alert, verdict, _after(number))
        stands = verdict in ALERTS or (stands and verdict not in WELL)
        assert (alert is not None and alert.status == "open") == stands
        if stands and before and before.status == "open":
            assert alert
            assert alert.id == before.id
