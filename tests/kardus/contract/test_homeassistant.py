"""Home Assistant's document names every location and camera once, under ids that it takes."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from kardus.contract.homeassistant import device_id, discovery_document, discovery_topic, status_topic
from kardus.contract.topics import ID_PATTERN, Topics, is_id
from kardus.contract.verdicts import ALERTS, Verdict

TOPICS = Topics("jakarta-1", "aisle-a")
NAMES = st.lists(st.from_regex(ID_PATTERN, fullmatch=True).filter(is_id), max_size=6, unique=True)


def test_the_document_is_where_home_assistant_looks() -> None:
    assert discovery_topic("homeassistant", TOPICS) == "homeassistant/device/kardus_jakarta-1_aisle-a/config"
    assert status_topic("ha") == "ha/status"


def test_a_location_is_its_verdict_and_whether_it_has_to_be_checked() -> None:
    document = discovery_document(TOPICS, "1.2.3", ["A-1"], [])
    sensor, problem = document["components"].values()
    assert (sensor["platform"], sensor["name"], sensor["state_topic"]) == ("sensor", "A-1", TOPICS.state("A-1"))
    assert set(sensor["options"]) == {str(verdict) for verdict in Verdict}
    assert problem["device_class"] == "problem"
    for verdict in Verdict:
        assert (f"'{verdict}'" in problem["value_template"]) == (verdict in ALERTS)
    assert document["device"]["sw_version"] == "1.2.3"
    assert document["availability"][0]["topic"] == TOPICS.status


def test_a_camera_tells_whether_it_works() -> None:
    (camera,) = discovery_document(TOPICS, "1", [], ["left"])["components"].values()
    assert (camera["device_class"], camera["state_topic"]) == ("connectivity", TOPICS.health("left"))


def test_what_is_gone_is_taken_away() -> None:
    before = discovery_document(TOPICS, "1", ["A-1", "A-2"], [])["components"]
    after = discovery_document(TOPICS, "1", ["A-1"], [], ["A-2"])["components"]
    assert set(after) == set(before)
    assert sorted(part["platform"] for part in after.values() if len(part) == 1) == ["binary_sensor", "sensor"]


@given(
    NAMES,
    NAMES,
    st.from_regex(ID_PATTERN, fullmatch=True).filter(is_id),
    st.from_regex(ID_PATTERN, fullmatch=True).filter(is_id),
)
def test_whatever_the_names_every_id_is_one_of_its_own_and_one_that_it_takes(
    locations: list[str], cameras: list[str], site: str, agent: str
) -> None:
    topics = Topics(site, agent)
    document = discovery_document(topics, "1", locations, cameras)
    assert len(document["components"]) == 2 * len(locations) + len(cameras)
    ids = [part["unique_id"] for part in document["components"].values()]
    assert len(set(ids)) == len(ids)
    for name in (device_id(topics), *document["components"]):
        assert re.fullmatch(r"[A-Za-z0-9_-]+", name)
    assert json.loads(json.dumps(document)) == document
