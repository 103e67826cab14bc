"""The identifier of an EPCIS event that follows from its content, so that whoever gets it twice keeps it once.

Source: CBV 2.0 (GS1, ISO/IEC 19988), section 8.9, "EPCIS Event Hash ID": every field that tells what, when, where and
why, in a fixed order, as `name=value` without anything between; then the fields of other namespaces, sorted.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

_VOCABULARY = "https://ref.gs1.org/cbv"
_WORDS = {"bizStep": "BizStep", "disposition": "Disp"}


def event_hash(event: Mapping[str, Any], namespaces: Mapping[str, str]) -> str:
    """The `eventID` of an ObjectEvent with a quantity list, as an `ni:` URI (RFC 6920).

    `event` is its JSON form with bare words for step and disposition, canonical Digital Link URIs as identifiers, and
    texts as fields of other namespaces; `namespaces` maps a prefix to its URI. `eventID`, `type` and `recordTime` count
    for nothing.
    """
    text = "".join([f"eventType={event['type']}", *_own_fields(event), *_foreign_fields(event, namespaces)])
    return f"ni:///sha-256;{hashlib.sha256(text.encode()).hexdigest()}?ver=CBV2.0"


def _own_fields(event: Mapping[str, Any]) -> Iterator[str]:
    moment = datetime.fromisoformat(event["eventTime"]).astimezone(UTC)
    yield "eventTime=" + moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    yield f"eventTimeZoneOffset={event['eventTimeZoneOffset']}"
    if event.get("quantityList"):
        yield "quantityList" + "".join(sorted(_quantity(element) for element in event["quantityList"]))
    yield f"action={event['action']}"
    for name, word in _WORDS.items():
        if name in event:
            yield f"{name}={_VOCABULARY}/{word}-{event[name]}"
    for name in ("readPoint", "bizLocation"):
        if name in event:
            yield f"{name}id={event[name]['id']}"


def _quantity(element: Mapping[str, Any]) -> str:
    amount = f"quantity={element['quantity']:g}" if "quantity" in element else ""
    return f"quantityElementepcClass={element['epcClass']}{amount}"


def _foreign_fields(event: Mapping[str, Any], namespaces: Mapping[str, str]) -> list[str]:
    fields = ((*name.partition(":"), value) for name, value in event.items() if ":" in name)
    return sorted(f"{{{namespaces[prefix]}}}{name}={value}" for prefix, _, name, value in fields)
