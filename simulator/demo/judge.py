"""Compares what the agent reported with what the script did. Pure functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kardus.contract.messages import LocationEvent
from kardus.contract.verdicts import ALERTS
from simulator.script import ChangeKind, Script

FAULTS = (ChangeKind.WRONG_VARIANT, ChangeKind.SWAP, ChangeKind.REMOVE, ChangeKind.UNEXPECTED, ChangeKind.UNKNOWN)


@dataclass(frozen=True)
class Fault:
    """One scripted fault at one location, and what was made of it."""

    kind: ChangeKind
    frame: int
    location: str
    verdict: str
    """The right verdict."""
    sku: str | None
    """The product that really stands there."""
    reported: bool = False


@dataclass(frozen=True)
class DemoOutcome:
    """The demo's result."""

    faults: tuple[Fault, ...]
    false_alerts: tuple[LocationEvent, ...]
    wrong_states: tuple[str, ...]
    """Locations whose last reported verdict isn't the truth."""

    @property
    def passed(self) -> bool:
        """Every fault reported at its location, and nothing else."""
        return all(fault.reported for fault in self.faults) and not self.false_alerts and not self.wrong_states


def scripted_faults(script: Script, skus: Mapping[str, str]) -> list[Fault]:
    """Every fault of a script, one entry for each location it concerns."""
    truth = script.truth(script.frames, dict(skus))
    contents = script.contents(script.frames)
    faults = []
    for change in script.changes:
        if change.kind not in FAULTS:
            continue
        for location in filter(None, (change.location, change.other)):
            name = contents[location].name
            faults.append(Fault(change.kind, change.frame, location, truth[location], skus[name] if name else None))
    return faults


def is_report_of(event: LocationEvent, fault: Fault) -> bool:
    """Whether an event reports the fault: its verdict, and the right product where one is named."""
    if event.location != fault.location or event.verdict != fault.verdict:
        return False
    return fault.verdict not in ("mismatch", "unexpected") or (event.seen is not None and event.seen.sku == fault.sku)


def judge_demo(script: Script, skus: Mapping[str, str], events: Sequence[LocationEvent]) -> DemoOutcome:
    """Compare all events of a run, in the order in which they were decided, with the script."""
    faults = scripted_faults(script, skus)
    reported = tuple(
        Fault(f.kind, f.frame, f.location, f.verdict, f.sku, any(is_report_of(event, f) for event in events))
        for f in faults
    )
    false_alerts = tuple(
        event for event in events if event.verdict in ALERTS and not any(is_report_of(event, f) for f in faults)
    )
    last = {event.location: event.verdict.value for event in events}
    truth = script.truth(script.frames, dict(skus))
    wrong = tuple(location for location, verdict in truth.items() if last.get(location) != verdict)
    return DemoOutcome(reported, false_alerts, wrong)
