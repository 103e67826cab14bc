"""Messages come back as they were sent, refuse what makes no sense, and take fields of later versions."""

import gc
import json
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kardus.contract.commands import COMMANDS, Capture
from kardus.contract.messages import (
    MAX_REVISION,
    STATUS_TYPE,
    AgentStatus,
    Envelope,
    Expected,
    ExpectedStock,
    LocationEvent,
    LocationState,
    Model,
    Seen,
    source_of,
)
from kardus.contract.topics import Topics
from kardus.contract.verdicts import ALERTS, Verdict
from tests.publishers import Publisher

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
EXPECTED = st.builds(
    Expected,
    revision=st.integers(0, MAX_REVISION),
    sku=st.none() | TEXT.filter(str.strip),
    managed=st.booleans(),
    quantity=st.none() | st.integers(0, 10**12),
)
NOON = datetime(2025, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def _envelope(**changes: object) -> Envelope[AgentStatus]:
    fields: dict[str, object] = {
        "id": "1",
        "source": "/kardus",
        "type": STATUS_TYPE,
        "time": NOON,
        "data": AgentStatus(status="online", boot_id="b"),
    }
    return Envelope[AgentStatus].model_validate(fields | changes)


@given(EXPECTED)
def test_an_expectation_comes_back_as_it_was_sent(expected: Expected) -> None:
    assert Expected.model_validate_json(expected.model_dump_json()) == expected


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_an_expectation_or_a_validation_error(payload: bytes) -> None:
    try:
        parsed = Expected.model_validate_json(payload)
    except ValidationError:
        return
    assert 0 <= parsed.revision <= MAX_REVISION


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=6,
    )
)
def test_only_a_whole_number_is_a_revision(value: object) -> None:
    payload = json.dumps({"revision": value})
    good = type(value) is int and 0 <= value <= MAX_REVISION
    if good:
        assert Expected.model_validate_json(payload).revision == value
    else:
        with pytest.raises(ValidationError):
            Expected.model_validate_json(payload)


@pytest.mark.parametrize(
    "payload",
    [
        "{}",
        "[]",
        "null",
        '{"revision": 1, "sku": ""}',
        '{"revision": 1, "sku": 5}',
        '{"revision": 1, "quantity": -1}',
        '{"revision": 1, "quantity": 1.5}',
        '{"revision": NaN}',
        '{"revision": 1, "valid_from": "2025-03-01T12:00:00"}',
        '{"revision": 1, "managed": null}',
    ],
)
def test_a_senseless_expectation_is_refused(payload: str) -> None:
    with pytest.raises(ValidationError):
        Expected.model_validate_json(payload)


def test_what_the_wms_leaves_out_has_a_default() -> None:
    expected = Expected.model_validate_json('{"revision": 3}')
    assert (expected.sku, expected.managed, expected.quantity, expected.valid_from) == (None, True, None, None)


def test_a_field_of_a_later_version_is_ignored() -> None:
    assert Expected.model_validate_json('{"revision": 3, "lot": {"of": "later"}}') == Expected(revision=3)


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
def test_what_is_accepted_can_be_written_again(moment: str) -> None:
    """A moment that has no UTC form is refused, rather than failing later."""
    try:
        expected = Expected.model_validate_json(json.dumps({"revision": 1, "valid_from": moment}))
    except ValidationError:
        return
    expected.model_dump_json()


@pytest.mark.parametrize("moment", ['"20261026"', "5", '"1793000000"', "1793000000.5", '" 5 "', '"-5"', "true"])
def test_a_number_is_no_time(moment: str) -> None:
    """A date without hyphens would be a day in 1970: the stock in force at once, a command always too old."""
    with pytest.raises(ValidationError, match="RFC 3339"):
        Expected.model_validate_json(f'{{"revision": 1, "valid_from": {moment}}}')
    with pytest.raises(ValidationError, match="RFC 3339"):
        Capture.model_validate_json(f'{{"expires": {moment}}}')


def test_times_are_sent_in_utc_with_milliseconds() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=7)))
    assert json.loads(_envelope(time=there).model_dump_json())["time"] == "2025-03-01T12:00:00.123Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        _envelope(time=datetime(2025, 3, 1, 12, 0))  # noqa: DTZ001 - that is the point


def test_the_envelope_is_cloudevents_1_0() -> None:
    content = json.loads(_envelope().model_dump_json())
    required = {"specversion": "1.0", "id": "1", "source": "/kardus", "type": "kardus.agent.status.v1"}
    assert required.items() <= content.items()
    assert content["datacontenttype"] == "application/json"


def test_an_envelope_comes_back_as_it_was_sent() -> None:
    sent = _envelope()
    received = Envelope[AgentStatus].model_validate_json(sent.model_dump_json())
    assert received.data == sent.data
    assert received.time == NOON.replace(microsecond=123000)


@pytest.mark.parametrize("change", [{"specversion": "0.3"}, {"data": {"status": "busy", "boot_id": "b"}}])
def test_another_version_or_a_foreign_status_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _envelope(**change)


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Expected(revision=1).revision = 2  # type: ignore[misc]


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan")])
def test_a_likelihood_lies_between_0_and_1(confidence: float) -> None:
    with pytest.raises(ValidationError):
        Seen(sku="T", confidence=confidence)


def test_a_state_comes_back_from_json() -> None:
    state = LocationState(
        location="A-1",
        verdict=Verdict.MISMATCH,
        since=NOON.replace(microsecond=0),
        last_verified=NOON.replace(microsecond=0),
        valid_until=NOON.replace(microsecond=0),
        expected=ExpectedStock(sku=None, revision=1, age_s=0.5),
        seen=Seen(sku="Tea", confidence=0.9),
        camera="c",
        model=Model(name="m", version="1.0.0"),
    )
    assert LocationState.model_validate_json(state.model_dump_json()) == state


def test_a_doubt_calls_nobody_to_the_shelf() -> None:
    doubts = {Verdict.UNCERTAIN, Verdict.OBSTRUCTED, Verdict.STALE, Verdict.UNMANAGED, Verdict.MATCH}
    assert set(Verdict) - doubts == ALERTS


def test_what_has_no_subject_leaves_it_out_and_one_that_is_empty_is_read_as_before() -> None:
    written = _envelope().model_dump_json()
    assert "subject" not in json.loads(written)
    assert json.loads(_envelope(subject="A-1").model_dump_json())["subject"] == "A-1"
    former = json.dumps(json.loads(written) | {"subject": ""})
    assert Envelope[AgentStatus].model_validate_json(former) == Envelope[AgentStatus].model_validate_json(written)


@pytest.mark.parametrize(
    ("site", "source"),
    [
        ("jakarta-1", "/kardus/v1/jakarta-1/agents/box"),
        ("Halle 3 [süd]", "/kardus/v1/Halle%203%20%5Bs%C3%BCd%5D/agents/box"),
    ],
)
def test_the_source_is_a_uri_reference(site: str, source: str) -> None:
    assert source_of(Topics(site, "box")) == source


def test_nothing_is_kept_of_a_message_that_was_read() -> None:
    """Of 3,000 ids that never come again: whoever reads for months would grow by as many."""
    box = Publisher()
    payloads = [payload for _, payload in box.events(3_000)]

    def kept_bytes(some: list[bytes]) -> int:
        for payload in some:
            Envelope[LocationEvent].model_validate_json(payload)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = kept_bytes(payloads[:1_500])  # free lists of the interpreter are full by then
        assert kept_bytes(payloads[1_500:]) - before < 20_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("command", "key", "rest"),
    [
        ("snapshot", "newest", {"camera": "c"}),
        ("model", "force", {"name": "m", "version": "1.0.0", "size": 1, "sha256": "0" * 64, "url": "https://a/b"}),
    ],
)
@pytest.mark.parametrize("value", [0, 1, "no", "true", 0.0])
def test_a_command_takes_no_word_or_number_for_a_truth_value(
    command: str, key: str, rest: dict[str, object], value: object
) -> None:
    COMMANDS[command].model_validate_json(json.dumps({**rest, key: True}))
    with pytest.raises(ValidationError, match=key):
        COMMANDS[command].model_validate_json(json.dumps({**rest, key: value}))
