"""The judge of long scripts must not be easier to please than a warehouse."""

from dataclasses import replace

import pytest

from simulator.script import Change, ChangeKind, Script
from tests.scripts.shelf_judge import Result, Told, judge_script
from tests.simulator.demo.test_judge import _event

SKUS = {"Tea-Lemon": "Tea-Lemon", "Tea-Peach": "Tea-Peach"}
WRONG = Change(10, ChangeKind.WRONG_VARIANT, "L", name="Tea-Peach")
RIGHT = Change(30, ChangeKind.PLACE, "L", name="Tea-Lemon")
NAMES = dict.fromkeys(ChangeKind, "dark")


def _script(*changes: Change) -> Script:
    return Script(0, 60, {"L": "Tea-Lemon", "M": None}, {"L": "Tea-Lemon", "M": None}, (WRONG, RIGHT, *changes))


def _told(frame: int, verdict: str, sku: str | None = None, location: str = "L", reason: str = "") -> Told:
    return Told(frame, _event(location, verdict, sku).model_copy(update={"reason": reason}))


GOOD = (_told(3, "match", "Tea-Lemon"), _told(13, "mismatch", "Tea-Peach"), _told(33, "match", "Tea-Lemon"))


def _judge(*told: Told, script: Script | None = None, hidden: frozenset[int] = frozenset()) -> Result:
    return judge_script(
        script or _script(), SKUS, lambda frame: {"L"} if frame in hidden else set(), sorted(told, key=_frame), NAMES
    )


def _frame(told: Told) -> int:
    return told.frame


def test_what_is_told_in_time_passes() -> None:
    result = _judge(*GOOD)
    assert [(c.what, c.frame, c.due, c.told, c.in_time) for c in result.changes] == [
        ("wrong_variant", 10, 15, 13, True),
        ("put right", 30, 35, 33, True),
    ]
    assert (result.alerts, result.false_alerts, result.misnamed, result.spoken_while_invalid) == (1, (), (), ())


@pytest.mark.parametrize("frame", [9, 16, 29, 31])
def test_what_is_told_too_early_or_too_late_does_not(frame: int) -> None:
    fault = _judge(_told(frame, "mismatch", "Tea-Peach")).changes[0]
    assert not fault.in_time


@pytest.mark.parametrize(
    "told", [("mismatch", "Tea-Lemon"), ("mismatch", None), ("unknown", None), ("uncertain", None)]
)
def test_another_product_or_verdict_is_no_report(told: tuple[str, str | None]) -> None:
    assert _judge(_told(13, *told)).changes[0].told is None


@pytest.mark.parametrize(("sku", "reported"), [(None, 13), ("Tea-Peach", 13), ("Tea-Lemon", None)])
def test_a_fault_is_reported_though_its_product_is_left_open_and_not_by_a_wrong_name(
    sku: str | None, reported: int | None
) -> None:
    fault = _judge(_told(13, "mismatch", sku)).changes[0]
    assert (fault.reported, fault.reported_in_time) == (reported, reported is not None)


def test_another_location_is_no_report_and_a_false_alert() -> None:
    result = _judge(_told(13, "unexpected", "Tea-Peach", location="M"))
    assert result.changes[0].told is None
    assert len(result.false_alerts) == 1


@pytest.mark.parametrize("frame", [5, 9, 30, 40])
def test_an_alert_where_all_is_right_is_false(frame: int) -> None:
    assert len(_judge(*GOOD, _told(frame, "mismatch", "Tea-Peach")).false_alerts) == 1


def test_an_alert_of_another_kind_is_false_and_not_needless() -> None:
    result = _judge(_told(13, "unknown"), _told(40, "mismatch", "Tea-Peach"))
    assert [t.frame for t in result.false_alerts] == [13, 40]
    assert [t.frame for t in result.needless] == [40]


def test_whatever_is_said_to_be_wrong_in_time_sends_somebody_there() -> None:
    for verdict, alerted in (("unknown", True), ("mismatch", True), ("uncertain", False), ("match", False)):
        fault, correction = _judge(_told(13, verdict), _told(33, "unknown")).changes
        assert fault.alerted_in_time == alerted
        assert correction.alerted is None
    assert not _judge(_told(16, "unknown")).changes[0].alerted_in_time
    assert not _judge(_told(13, "unknown", location="M")).changes[0].alerted_in_time


def test_an_alert_that_names_another_product_is_counted_as_such() -> None:
    result = _judge(_told(13, "mismatch", "Tea-Lemon"))
    assert (len(result.misnamed), result.false_alerts) == (1, ())


def test_the_frames_count_from_when_the_location_is_in_sight_again() -> None:
    dark = Change(12, ChangeKind.DARK, lasts=6)
    late = _told(23, "mismatch", "Tea-Peach")
    assert not _judge(late).changes[0].in_time
    assert _judge(late, script=_script(dark)).changes[0].due == 23
    assert _judge(late, hidden=frozenset(range(14, 18))).changes[0].due == 23
    assert not _judge(replace(late, frame=24), script=_script(dark)).changes[0].in_time


def test_while_the_view_is_spoiled_only_stale_and_obstructed_may_be_said() -> None:
    script = _script(Change(40, ChangeKind.DARK, lasts=5))
    said = _judge(_told(41, "stale", reason="dark: x"), _told(42, "obstructed"), script=script)
    assert said.spoken_while_invalid == ()
    assert (said.troubles[0].noticed, said.troubles[0].named) == (True, True)
    assert len(_judge(_told(42, "match"), script=script).spoken_while_invalid) == 1
    assert _judge(_told(45, "match"), script=script).spoken_while_invalid == ()


def test_a_trouble_must_be_noticed_while_it_lasts_and_named_rightly() -> None:
    script = _script(Change(40, ChangeKind.DARK, lasts=5))
    for told, expected in (
        ((39, "dark"), (False, False)),
        ((45, "dark"), (False, False)),
        ((42, "moved"), (True, False)),
    ):
        trouble = _judge(_told(told[0], "stale", reason=told[1]), script=script).troubles[0]
        assert (trouble.noticed, trouble.named) == expected
