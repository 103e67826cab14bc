"""Whatever comes is told apart, and nothing raises."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.publishers import SITE, Publisher
from tests.warehouse.receiving.making import writer_of
from warehouse.receiving.parsing import parse_message
from warehouse.store.opening import open_database
from warehouse.store.records import DeadLetter, EventMessage, LostMessage, PictureMessage, RetainedMessage

AGENT = Publisher()
EVENT = json.loads(AGENT.event()[1])
TOPICS = [
    AGENT.topics.events("A"),
    AGENT.topics.state("A"),
    AGENT.topics.evidence("A", "e"),
    AGENT.topics.lost,
    AGENT.topics.status,
    AGENT.topics.coverage,
    AGENT.topics.health("c"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_what_the_agent_publishes_is_told_apart() -> None:
    kinds = [
        (AGENT.event(), EventMessage),
        (AGENT.state("A-1"), RetainedMessage),
        (AGENT.online(), RetainedMessage),
        (AGENT.picture("A-1", "e"), PictureMessage),
        (AGENT.lost([(1, 2)]), LostMessage),
    ]
    assert [type(parse_message(SITE, *message)) for message, _ in kinds] == [kind for _, kind in kinds]
    for topic in (AGENT.topics.ack, AGENT.topics.command("resend"), "kardus/v1/other/agents/box/status", "", "x/y"):
        assert parse_message(SITE, topic, b"{}") is None


def test_a_message_on_the_topic_of_another_location_is_refused() -> None:
    found = parse_message(SITE, AGENT.topics.events("elsewhere"), AGENT.event()[1])
    assert isinstance(found, DeadLetter)
    assert "its topic of 'elsewhere'" in found.reason
    assert found.sequence == AGENT.sequence


@pytest.mark.parametrize("topic", ["locations/A-1/evidence/", "locations//evidence/e"])
def test_a_picture_whose_topic_names_no_event_is_refused(topic: str) -> None:
    found = parse_message(SITE, f"{AGENT.topics.base}/{topic}", AGENT.picture("A-1", "e")[1])
    assert isinstance(found, DeadLetter)
    assert found.reason == "no event in the topic"


def test_an_emptied_state_clears_its_location_and_an_earlier_versions_topic_clears_nothing() -> None:
    for location in ("A-1", "A.1"):
        emptied = parse_message(SITE, AGENT.topics.state(location), b"")
        assert emptied == RetainedMessage("box", "state", location, "")
    earlier = f"{AGENT.topics.base}/locations/A.1/state"  # its level was the code as it is
    assert parse_message(SITE, earlier, b"") is None


UNCOUNTABLE = [-1, 2**63 - 1, 10**29, True, "1", 1.0]


@pytest.mark.parametrize("value", UNCOUNTABLE)
@pytest.mark.parametrize(
    ("topic", "key"),
    [
        ("events", "sequence"),
        ("events", "expected.quantity"),
        ("events", "expected.revision"),
        ("state", "sequence"),
        ("state", "repeat"),
        ("state", "expected.quantity"),
        ("status", "locations"),
        ("status", "sequence"),
        ("status", "waiting"),
        ("status", "disk_free_mb"),
    ],
)
def test_what_no_agent_counts_is_refused_and_not_acknowledged(topic: str, key: str, value: Any) -> None:
    by_kind = {"events": AGENT.event(), "state": AGENT.state("A-1"), "status": AGENT.online()}
    if key.startswith("expected") and value == 2**63 - 1:
        return  # the WMS's own numbers may be as large
    message = json.loads(by_kind[topic][1])
    *outer, last = key.split(".")
    if outer:
        message["data"]["expected"] = {"sku": "A", "revision": 1, "age_s": 1.0}
    place = message["data"]["expected"] if outer else message["data"]
    place[last] = value
    found = parse_message(SITE, by_kind[topic][0], json.dumps(message).encode())
    assert isinstance(found, DeadLetter)
    assert f"{key}: " in found.reason
    assert key != "sequence" or found.sequence is None


@pytest.mark.parametrize("key", ["clock_synchronised", "evidence", "historical", "corrected"])
@pytest.mark.parametrize("value", [0, 1, "no", "true"])
def test_what_is_no_truth_value_is_not_taken_for_one(key: str, value: Any) -> None:
    topic, payload = AGENT.event()
    message = json.loads(payload)
    message["data"][key] = value
    assert isinstance(parse_message(SITE, topic, json.dumps(message).encode()), DeadLetter)


@pytest.mark.parametrize("ranges", [[[2, 1]], [[0, 1]], [[1, 2**63 - 1]], [[1, 2**63]], [[1]], [[True, 2]]])
def test_ranges_that_are_none_are_refused(ranges: list[list[int]]) -> None:
    message = json.loads(AGENT.lost([(1, 2)])[1])
    message["data"]["ranges"] = ranges
    assert isinstance(parse_message(SITE, AGENT.topics.lost, json.dumps(message).encode()), DeadLetter)


@settings(deadline=None)
@given(st.sampled_from(TOPICS) | st.text(), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_comes_nothing_raises(topic: str, payload: bytes) -> None:
    parse_message(SITE, topic, payload)


@settings(max_examples=40, deadline=None)
@given(path=st.sampled_from([("id",), ("data", "reason"), ("data", "sequence"), ("data", "epoch")]), value=JSON)
def test_an_event_with_anything_in_it_can_be_stored(
    path: tuple[str, ...], value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    message = json.loads(json.dumps(EVENT))
    inner = message
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    found = parse_message(SITE, AGENT.topics.events("A-01-1"), json.dumps(message).encode())
    assert isinstance(found, EventMessage | DeadLetter)
    database = open_database(tmp_path_factory.mktemp("store") / "k.sqlite", make=True)
    try:
        written = writer_of(database).write([found])
    finally:
        database.close()
    assert (written.events, written.dead_letters) in {(1, 0), (0, 1)}
