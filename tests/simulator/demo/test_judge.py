"""The demo's judge must not be easier to please than a warehouse."""

from datetime import UTC, datetime

from kardus.contract.messages import LocationEvent, Model, Seen
from kardus.contract.verdicts import Verdict
from simulator.demo.judge import judge_demo, scripted_faults
from simulator.pictures import DrawnPictures
from simulator.scene import Rack
from simulator.script import demo_script

STOCK = DrawnPictures().stock()
SKUS = {stock.name: stock.sku for stock in STOCK}
SCRIPT = demo_script([slot.location for slot in Rack().slots()], STOCK, 4)
FAULTS = scripted_faults(SCRIPT, SKUS)


def _event(location: str, verdict: str, sku: str | None = None) -> LocationEvent:
    return LocationEvent(
        epoch="e",
        sequence=1,
        boot_id="b",
        captured=datetime.now(UTC),
        clock_synchronised=True,
        location=location,
        verdict=Verdict(verdict),
        previous=None,
        expected=None,
        seen=Seen(sku=sku),
        expected_likelihood=None,
        camera="c",
        model=Model(name="m", version="1.0.0"),
    )


def _right_events() -> list[LocationEvent]:
    start = [_event(location, verdict) for location, verdict in SCRIPT.truth(0, SKUS).items()]
    return start + [_event(fault.location, fault.verdict, fault.sku) for fault in FAULTS]


def test_every_kind_of_fault_is_scripted() -> None:
    assert {f.verdict for f in FAULTS} == {"mismatch", "empty", "unexpected", "unknown"}
    assert len(FAULTS) == len({f.location for f in FAULTS}) == 7


def test_passes_when_all_is_reported_and_nothing_else() -> None:
    assert judge_demo(SCRIPT, SKUS, _right_events()).passed


def test_fails_when_any_one_fault_is_missing() -> None:
    for fault in FAULTS:
        events = [e for e in _right_events() if (e.location, e.verdict) != (fault.location, fault.verdict)]
        assert not judge_demo(SCRIPT, SKUS, events).passed


def test_fails_on_a_false_alert_that_went_away_again() -> None:
    quiet = next(loc for loc, verdict in SCRIPT.truth(SCRIPT.frames, SKUS).items() if verdict == "match")
    events = [*_right_events(), _event(quiet, "mismatch", "Tea-Peach"), _event(quiet, "match")]
    outcome = judge_demo(SCRIPT, SKUS, events)
    assert not outcome.passed
    assert [event.location for event in outcome.false_alerts] == [quiet]


def test_fails_when_the_wrong_product_is_named() -> None:
    fault = next(f for f in FAULTS if f.verdict == "mismatch")
    events = [_event(e.location, e.verdict, "Other") if e.location == fault.location else e for e in _right_events()]
    assert not judge_demo(SCRIPT, SKUS, events).passed


def test_fails_when_the_last_word_on_a_location_is_a_doubt() -> None:
    outcome = judge_demo(SCRIPT, SKUS, [*_right_events(), _event(FAULTS[0].location, "uncertain")])
    assert not outcome.passed
    assert outcome.wrong_states == (FAULTS[0].location,)
