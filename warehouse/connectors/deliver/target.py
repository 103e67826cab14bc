"""The interface of a target, to which stored events are sent, and the event as it is sent.

stored events ─> DeliveryQueue (each target's place, what waits) ─> TargetWorker ─> DeliveryTarget.send ─┐
taken, refused or set aside <────────────────────────────────────────────────────────────────────────────┘
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from kardus.contract.messages import Envelope, LocationEvent
from warehouse.connectors.errors import ConnectorError

What = Literal["opened", "alerts", "events"]
"""Alerts that are new; all that becomes of alerts; every event."""


class TargetError(ConnectorError):
    """The target takes nothing just now, or it isn't known what it took: everything is sent again."""


class TargetBusyError(TargetError):
    """It still works on the last batch, or another process delivers to it: sending now could store events twice."""


@dataclass(frozen=True)
class Outgoing:
    """A stored event."""

    number: int
    """In the order of storing."""
    agent: str
    received: datetime
    envelope: Envelope[LocationEvent]
    payload: str
    """The message as the agent sent it."""
    former: LocationEvent | None = None
    """The last event before this one that told of the same discrepancy: of its alert, and no doubt."""
    overtaken_by: LocationEvent | None = None
    """The last event of its alert, no doubt, if that is a later one which the target was asked about before: they were
    stored in another order, or this one was refused, and is told again."""

    is_late: bool = False
    """`overtaken_by` was stored before this event: it has opened the alert, if that is still open."""

    @property
    def event(self) -> LocationEvent:
        """As the agent published it."""
        return self.envelope.data

    @property
    def location(self) -> str:
        """The location's code."""
        return self.envelope.data.location

    @property
    def opens(self) -> bool:
        """Whether nobody has heard of its alert before, and it isn't over by now."""
        alert = self.event.alert
        is_new = alert is not None and self.former is None and alert.status == "open"
        has_opened = self.is_late and self.overtaken_by is not None and not self._is_known_to_people(self.overtaken_by)
        return is_new and not has_opened and not self.is_of_the_past

    @staticmethod
    def _is_known_to_people(event: LocationEvent) -> bool:
        """Whether an event isn't an alert's opening, by its status."""
        return event.alert is None or event.alert.status != "open"

    @property
    def is_of_the_past(self) -> bool:
        """Whether its alert is over by what the target was asked about before."""
        alert = self.overtaken_by.alert if self.overtaken_by else None
        return alert is not None and alert.status == "resolved"

    def is_wanted(self, what: What) -> bool:
        """Whether it is one of these; of an alert's course nothing is wanted that has been overtaken."""
        if what == "events":
            return True
        return self.opens if what == "opened" else self.event.alert is not None and self.overtaken_by is None


Refusals = Mapping[int, str]
"""Why events weren't taken, by their number."""


class DeliveryTarget(Protocol):
    """A system that events are delivered to. Used by one thread, but for `close`."""

    name: str
    """For people: where it is. Without passwords."""
    batch: int
    """How many events it takes at a time, of as many locations."""

    def wants(self, outgoing: Outgoing) -> bool:
        """Whether this event is for it; what isn't, is passed over."""

    def send(self, events: Sequence[Outgoing]) -> Refusals:
        """Tell. It may have been told the same before, and must then change nothing: `envelope.id` is the key.

        Returns:
            What it refuses; it has taken the others.

        Raises:
            TargetError: it takes nothing just now, or didn't answer.
        """

    def stop(self) -> None:
        """Let what is under way end within two seconds; from any thread."""

    def close(self) -> None:
        """Let go of connections; nothing is under way any more."""
