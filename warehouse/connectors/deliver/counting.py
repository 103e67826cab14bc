"""Makes of what was seen the counts that an ERP is asked for: pure functions.

A camera sees products and doesn't count. So a quantity is a proposal, which a person confirms or corrects: of the
product that is seen, as many as the ERP expects of a carton there, else one; of a product that should be there and
isn't, nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from kardus.contract.messages import LocationEvent
from kardus.contract.verdicts import ALERTS, Verdict
from warehouse.connectors.deliver.target import Outgoing


@dataclass(frozen=True)
class ProposedCount:
    """A count of one location that is proposed to the ERP."""

    location: str
    quantities: Mapping[str, int]
    """By SKU."""
    note: str
    """For people."""


def is_news(one: Outgoing) -> bool:
    """Whether there is something to count, or to take back: not where the same was told before."""
    alert, former = one.event.alert, one.former
    if alert is None or one.is_of_the_past:
        return False
    if one.overtaken_by is not None and proposal(one.overtaken_by) != proposal(one.event):
        return False
    if alert.status == "resolved":
        return former is not None
    if one.event.verdict not in ALERTS:
        return False  # a doubt: what was said before stands
    return former is None or proposal(former) != proposal(one.event)


def is_alert_over(one: Outgoing) -> bool:
    """Whether the alert has ended, so that nothing is to be counted any more."""
    return one.event.alert is not None and one.event.alert.status == "resolved"


def proposal(event: LocationEvent) -> Mapping[str, int]:
    """Quantities by SKU; empty where no known product is concerned."""
    if event.verdict not in ALERTS:
        return {}
    expected = event.expected.sku if event.expected else None
    quantity = (event.expected.quantity if event.expected else None) or 1
    found = {expected: 0} if expected else {}
    seen = event.seen.sku if event.seen else None
    if seen and event.verdict in {Verdict.MISMATCH, Verdict.UNEXPECTED}:
        found[seen] = quantity
    return found


def count_of(one: Outgoing) -> ProposedCount:
    """The proposal, with what people should know of it."""
    event = one.event
    expected = (event.expected.sku if event.expected else None) or "nothing"
    seen = {
        Verdict.EMPTY: "nothing",
        Verdict.UNKNOWN: "a carton that isn't known",
    }.get(event.verdict, (event.seen.sku if event.seen else None) or "a carton whose variant isn't sure")
    moment = event.captured.isoformat(timespec="seconds")
    alert = event.alert.id if event.alert else ""
    note = (
        f"Kardus, camera {event.camera}, {moment}: {event.verdict}: {seen} is seen where {expected} is expected. "
        f"Quantities are proposals: count, then confirm. Alert {alert}."
    )
    return ProposedCount(event.location, proposal(event), note)
