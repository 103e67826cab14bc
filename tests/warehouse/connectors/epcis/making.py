"""A warehouse with GS1 identifiers, and events of it, for the tests."""

from datetime import datetime

from kardus.contract.messages import Envelope, ExpectedStock, LocationEvent, Model, Seen
from kardus.contract.verdicts import Verdict
from kardus.support.time_zone import time_zone
from warehouse.connectors.epcis.identifiers import place_uri, product_uri
from warehouse.connectors.epcis.mapping import Identifiers

GLN = "4012345000009"
TEA, MILK = "04006381333931", "00012345678905"


def identifiers(private_base: str = "", zone: str = "Asia/Jakarta") -> Identifiers:
    """Tea and Milk have a GTIN."""
    products = {"Tea": product_uri(TEA), "Milk": product_uri(MILK)}
    return Identifiers(place_uri(GLN), time_zone(zone), GLN, products, {}, private_base)


def event(
    verdict: Verdict,
    *,
    location: str = "A-01-1",
    expected: str | None = "Tea",
    seen: str | None = None,
    captured: str = "2026-03-02T07:30:12.345Z",
) -> LocationEvent:
    """As an agent publishes it."""
    return LocationEvent(
        location=location,
        verdict=verdict,
        expected=ExpectedStock(sku=expected, revision=1, age_s=0),
        seen=Seen(sku=seen),
        camera="cam",
        model=Model(name="m", version="1"),
        epoch="e",
        sequence=1,
        boot_id="b",
        captured=datetime.fromisoformat(captured),
        clock_synchronised=True,
        previous=None,
        expected_likelihood=None,
    )


def parsed(payload: bytes) -> Envelope[LocationEvent]:
    """What an agent's message says."""
    return Envelope[LocationEvent].model_validate_json(payload)
