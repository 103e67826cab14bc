"""Events against GS1's JSON Schema and against the published hash generator."""

import json
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from epcis_event_hash_generator import hash_generator, json_to_py
from hypothesis import given, settings
from hypothesis import strategies as st

from kardus.contract.topics import is_location
from kardus.contract.verdicts import ALERTS, UNVERIFIED, Verdict
from kardus.support.identifiers import uuid7
from tests.warehouse.connectors.epcis.making import MILK, TEA, event, identifiers
from warehouse.connectors.epcis.document import document
from warehouse.connectors.epcis.events import NotExpressibleError, object_event
from warehouse.connectors.epcis.identifiers import product_uri

SCHEMA = Path(__file__).parent / "gs1" / "EPCIS-JSON-Schema.json"
CREATED = datetime(2026, 3, 2, 9, tzinfo=UTC)
PRIVATE = "https://id.example.com/wms"


@cache
def _validator() -> jsonschema.Draft7Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return jsonschema.Draft7Validator(schema, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER)


def require_valid(whole: dict[str, Any]) -> None:
    """GS1's schema, and what the standard says beyond it: an object event names at least one object."""
    _validator().validate(whole)
    assert all(event["quantityList"] for event in whole["epcisBody"]["eventList"])


def _published_hashes(whole: dict[str, Any]) -> list[str]:
    read = json_to_py.event_list_from_epcis_document_json(json.loads(json.dumps(whole)))
    return list(hash_generator.epcis_hashes_from_events(read))


@pytest.mark.parametrize(
    ("verdict", "expected", "seen", "observed", "disposition"),
    [
        (Verdict.MATCH, "Tea", "Tea", {"epcClass": product_uri(TEA)}, None),
        (Verdict.MISMATCH, "Tea", "Milk", {"epcClass": product_uri(MILK)}, "mismatch_class"),
        (Verdict.UNEXPECTED, None, "Milk", {"epcClass": product_uri(MILK)}, "mismatch_class"),
        (Verdict.EMPTY, "Tea", None, {"epcClass": product_uri(TEA), "quantity": 0}, "mismatch_quantity"),
        (Verdict.UNKNOWN, "Tea", None, {"epcClass": product_uri(TEA), "quantity": 0}, "mismatch_class"),
    ],
)
def test_each_verdict_in_the_standards_words(
    verdict: Verdict, expected: str | None, seen: str | None, observed: dict[str, Any], disposition: str | None
) -> None:
    found = object_event("id-1", event(verdict, expected=expected, seen=seen), identifiers())
    require_valid(document([found], CREATED))
    assert found["action"] == "OBSERVE"
    assert found["bizStep"] == "cycle_counting"
    assert found["quantityList"] == [observed]
    assert found.get("disposition") == disposition
    assert found.get("kardus:expected") == (product_uri(TEA) if verdict in ALERTS and expected else None)
    assert found["readPoint"] == {"id": "https://id.gs1.org/414/4012345000009/254/A-01-1"}
    assert (found["eventTime"], found["eventTimeZoneOffset"]) == ("2026-03-02T14:30:12.345+07:00", "+07:00")


@pytest.mark.parametrize("verdict", sorted([*UNVERIFIED, Verdict.UNMANAGED]))
def test_a_doubt_is_never_told_to_a_partner(verdict: Verdict) -> None:
    with pytest.raises(NotExpressibleError, match="doubt"):
        object_event("id-1", event(verdict, seen="Tea"), identifiers())


@pytest.mark.parametrize(
    ("given_event", "reason"),
    [
        (event(Verdict.MATCH, expected=None), "without a product"),
        (event(Verdict.UNEXPECTED, expected=None), "without a product"),
        (event(Verdict.MISMATCH, seen="Juice"), "'Juice' has no GTIN"),
        (event(Verdict.EMPTY, expected="Juice"), "'Juice' has no GTIN"),
        (event(Verdict.MATCH, location="aisle 1"), "'aisle 1' has no GS1 identifier"),
    ],
)
def test_what_has_no_words_or_no_identifier_says_why(given_event: Any, reason: str) -> None:
    with pytest.raises(NotExpressibleError, match=re.escape(reason)):
        object_event("id-1", given_event, identifiers())


@given(
    verdict=st.sampled_from(sorted({Verdict.MATCH, *ALERTS})),
    location=st.text(min_size=1, max_size=30).filter(is_location),
    sku=st.sampled_from(["Tea", "Milk"]) | st.text(min_size=1, max_size=20).filter(str.strip),
    captured=st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    zone=st.sampled_from(
        ["UTC", "Asia/Jakarta", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham"]
    ),
)
@pytest.mark.filterwarnings("ignore:open_text is deprecated:DeprecationWarning")  # in the published generator
@settings(max_examples=60, deadline=None)
def test_every_event_is_valid_and_has_the_hash_that_the_published_generator_gives(
    verdict: Verdict, location: str, sku: str, captured: datetime, zone: str
) -> None:
    told = event(
        verdict, location=location, expected=sku, seen=sku, captured=captured.isoformat(timespec="milliseconds")
    )
    found = object_event(uuid7(), told, identifiers(PRIVATE, zone))
    whole = document([found], CREATED)
    require_valid(whole)
    assert _published_hashes(whole) == [found["eventID"]]


def test_two_looks_at_the_same_moment_have_hashes_of_their_own_and_one_told_twice_has_one() -> None:
    told = event(Verdict.EMPTY)
    first, again, other = (object_event(name, told, identifiers())["eventID"] for name in ("a", "a", "b"))
    assert first == again != other
