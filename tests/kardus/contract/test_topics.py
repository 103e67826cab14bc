"""Topics say whose they are, and only an expected-stock topic gives a location."""

import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from kardus.contract.topics import (
    Id,
    LocationCode,
    Topics,
    agents_filter,
    expected_filter,
    expected_topic,
    is_id,
    is_location,
    location_code,
    location_level,
    location_of,
)
from kardus.support.spelling import composed

ID = TypeAdapter(Id)


def _is_id(text: str) -> bool:
    try:
        ID.validate_python(text)
    except ValidationError:
        return False
    return True


IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100).filter(_is_id)
CODES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100).filter(is_location)
TOPICS = Topics("hall 3", "box")


def _matches(topic: str, pattern: str) -> bool:
    """MQTT's rule for a subscription."""
    parts, wanted = topic.split("/"), pattern.split("/")
    if wanted[-1] == "#":
        return parts[: len(wanted) - 1] == wanted[:-1]
    return len(parts) == len(wanted) and all(w in ("+", p) for p, w in zip(parts, wanted, strict=True))


@pytest.mark.parametrize("text", ["A-03-2-05", "hall 3", "a$", "Gang 1 Ä", "x" * 100, "架-1"])
def test_these_may_stand_in_a_topic(text: str) -> None:
    assert _is_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a/b",
        "a+",
        "#",
        "a#",
        "$SYS",
        " a",
        "\ta",
        "a\n",
        "a\0",
        "\x1f",
        "x" * 101,
        "a\r\nb",
        "a\x7f",
        "a\x80",
        "\x9f",
        "a\ufdd0",
        "a\ufdef",
        "\ufffe",
        "a\uffff",
        "a\U0001fffe",
        "\U0010ffff",
        "a\udcff",
    ],
)
def test_these_may_not(text: str) -> None:
    assert not _is_id(text)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=110))
def test_both_ways_of_asking_agree(text: str) -> None:
    assert is_id(text) == _is_id(text)


@given(IDS, CODES)
@example("s", "WH/Stock/A-01")
@example("s", "%2F")
@example("s", "+")
@example("s", "$SYS/#")
@example("s", "A.1%252e")
def test_the_location_comes_back_from_its_topic(site: str, location: str) -> None:
    assert location_of(expected_topic(site, location)) == composed(location)
    assert TypeAdapter(LocationCode).validate_python(location) == composed(location)


@given(CODES)
def test_a_location_s_level_is_a_name_that_every_broker_carries(location: str) -> None:
    level = location_level(location)
    assert not set("/+#.$") & set(level)
    assert location_code(level) == location


@given(CODES, CODES)
def test_two_locations_never_share_a_topic(one: str, other: str) -> None:
    assert (TOPICS.state(one) == TOPICS.state(other)) == (one == other)


@pytest.mark.parametrize("level", ["A.1", "A%", "A%2", "A%41", "A%2f", "100%"])
def test_a_level_of_an_earlier_version_stands_for_itself(level: str) -> None:
    assert location_code(level) == level


@pytest.mark.parametrize("text", ["e\u0301" * 100, "\u0958" * 50, "\U0001f4e6" * 100])
def test_a_name_is_as_long_as_it_is_sent(text: str) -> None:
    code = unicodedata.normalize("NFC", text)
    for is_name, kind in ((is_id, Id), (is_location, LocationCode)):
        assert is_name(text)
        assert TypeAdapter(kind).validate_python(text) == code
        for longer in (f"{text}x", f"x{text}"):
            assert not is_name(longer)
            with pytest.raises(ValidationError, match="at most 100 characters"):
                TypeAdapter(kind).validate_json(json.dumps(longer))


@pytest.mark.parametrize("text", ["", " A", "A\n", "A\x90", "A\ufffe", "x" * 101, "\u0958" * 60])
def test_these_are_no_locations(text: str) -> None:
    assert not is_location(text)


@given(IDS, IDS)
def test_the_subscription_sees_the_topic(site: str, location: str) -> None:
    assert _matches(expected_topic(site, location), expected_filter(site))
    assert _matches(Topics(site, location).events(location), agents_filter(site))


@given(IDS, IDS, IDS)
def test_no_topic_of_an_agent_is_taken_for_expected_stock(site: str, agent: str, name: str) -> None:
    topics = Topics(site, agent)
    for topic in (topics.status, topics.health(name), topics.state(name), topics.events(name)):
        assert location_of(topic) is None


@given(st.text(max_size=60))
def test_any_other_topic_gives_none(topic: str) -> None:
    assert location_of(topic) is None


@pytest.mark.parametrize(
    "topic",
    [
        "kardus/v1/s/expected/",
        "kardus/v1/s/expected",
        "kardus/v1//expected/L",
        "kardus/v1/s/expected/L/more",
        "kardus/v2/s/expected/L",
        "x/kardus/v1/s/expected/L",
        "kardus/v1/s/Expected/L",
    ],
)
def test_what_only_looks_like_one_gives_none(topic: str) -> None:
    assert location_of(topic) is None


def test_the_topics_are_those_of_the_contract() -> None:
    assert TOPICS.status == "kardus/v1/hall 3/agents/box/status"
    assert TOPICS.health("c") == "kardus/v1/hall 3/agents/box/cameras/c/health"
    assert TOPICS.state("L") == "kardus/v1/hall 3/agents/box/locations/L/state"
    assert TOPICS.events("L") == "kardus/v1/hall 3/agents/box/locations/L/events"
    assert expected_topic("hall 3", "L") == "kardus/v1/hall 3/expected/L"
