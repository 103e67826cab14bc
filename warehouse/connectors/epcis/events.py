"""A stored event of a location as an EPCIS ObjectEvent.

A camera sees products, not serial numbers: objects are given by class (`quantityList`). It doesn't count: a quantity is
given only where it is known, 0 of a product that should be there and isn't. What a verdict becomes is in docs/wms.md.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kardus.contract.messages import LocationEvent
from kardus.contract.verdicts import ALERTS, Verdict
from warehouse.connectors.epcis.event_hash import event_hash
from warehouse.connectors.epcis.mapping import Identifiers

PREFIX = "kardus"
NAMESPACE = "https://kardus.invalid/epcis/"
"""Of our own fields: a name, not an address (RFC 2606 keeps `.invalid` from ever being one)."""
CONTEXT: tuple[str | Mapping[str, str], ...] = (
    "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
    {PREFIX: NAMESPACE},
)
"""The `@context` of documents with these events."""
_DISPOSITIONS = {
    Verdict.MISMATCH: "mismatch_class",
    Verdict.UNKNOWN: "mismatch_class",
    Verdict.UNEXPECTED: "mismatch_class",
    Verdict.EMPTY: "mismatch_quantity",
}


class NotExpressibleError(Exception):
    """An event that EPCIS has no words for, or that names something without an identifier; the text is the reason."""


def object_event(event_id: str, event: LocationEvent, identifiers: Identifiers) -> dict[str, Any]:
    """The ObjectEvent, in the form of EPCIS's JSON binding, with its hash as `eventID`.

    Raises:
        NotExpressibleError: it is a doubt, names no product, or a product or the location has no identifier.
    """
    read_point = identifiers.read_point(event.location)
    if read_point is None:
        raise NotExpressibleError(f"location '{event.location}' has no GS1 identifier")
    captured = identifiers.zone.of(event.captured)
    found: dict[str, Any] = {
        "type": "ObjectEvent",
        "eventTime": captured.isoformat(timespec="milliseconds"),
        "eventTimeZoneOffset": _offset(captured),
        "action": "OBSERVE",
        "bizStep": "cycle_counting",
        "quantityList": [_observed(event, identifiers)],
        "readPoint": {"id": read_point},
        "bizLocation": {"id": identifiers.business_location},
        f"{PREFIX}:event": event_id,
        f"{PREFIX}:verdict": event.verdict.value,
    }
    if event.verdict in _DISPOSITIONS:
        found["disposition"] = _DISPOSITIONS[event.verdict]
    if event.verdict in ALERTS and event.expected and event.expected.sku:
        found[f"{PREFIX}:expected"] = _class_of(event.expected.sku, identifiers)
    return {"eventID": event_hash(found, {PREFIX: NAMESPACE}), **found}


def _observed(event: LocationEvent, identifiers: Identifiers) -> dict[str, Any]:
    """What was seen; where that has no name, or nothing was, how much of what should be there: nothing."""
    seen = event.seen.sku if event.seen else None
    expected = event.expected.sku if event.expected else None
    match event.verdict:
        case Verdict.MATCH if expected is not None:
            return {"epcClass": _class_of(expected, identifiers)}
        case Verdict.MISMATCH | Verdict.UNEXPECTED if seen is not None:
            return {"epcClass": _class_of(seen, identifiers)}
        case Verdict.EMPTY | Verdict.UNKNOWN if expected is not None:
            return {"epcClass": _class_of(expected, identifiers), "quantity": 0}
        case Verdict.MATCH | Verdict.MISMATCH | Verdict.UNEXPECTED | Verdict.EMPTY | Verdict.UNKNOWN:
            raise NotExpressibleError(f"'{event.verdict}' without a product")
        case _:
            raise NotExpressibleError(f"'{event.verdict}' is a doubt")


def _class_of(sku: str, identifiers: Identifiers) -> str:
    found = identifiers.product(sku)
    if found is None:
        raise NotExpressibleError(f"product '{sku}' has no GTIN")
    return found


def _offset(moment: datetime) -> str:
    """Hours and minutes from UTC, as +01:00."""
    written = moment.strftime("%z")
    return f"{written[:3]}:{written[3:5]}"
