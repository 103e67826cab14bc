"""Isolates the event by which a target fails, by sending some events one at a time.

A server that breaks down over one event (500, no answer) looks like one that is away. So when it has failed a few
times, some events of different locations are sent one at a time: what fails where another one is taken is that event's
fault.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2

from warehouse.connectors.deliver.target import DeliveryTarget, Outgoing, Refusals, TargetBusyError, TargetError

SUSPECT_AFTER = 3
"""Failures in a row."""
PROBES = 3
"""So many that wait, and so many new ones: a server that is away costs as many time-outs."""


def may_be_an_events_fault(error: TargetError) -> bool:
    """Whether the target gave no answer, or broke down.

    Not where it says what any event would meet (3xx and 4xx: a password, an address, haste), or is at it still.
    """
    is_said = 0 < error.status < httpx2.codes.INTERNAL_SERVER_ERROR
    return not (is_said or error.retry_after_s or isinstance(error, TargetBusyError))


@dataclass(frozen=True)
class IsolationResult:
    """What became of some events, as far as it is known."""

    answered: tuple[Outgoing, ...]
    """Those that the target answered for, in their order."""
    refused: Refusals
    """Why some of them weren't taken."""
    ended: TargetError | None = None
    """Why the others weren't sent: it takes nothing more just now."""

    def answered_of(self, events: Sequence[Outgoing]) -> list[Outgoing]:
        """Those of these that the target answered for."""
        numbers = {one.number for one in self.answered}
        return [one for one in events if one.number in numbers]

    def refused_of(self, events: Sequence[Outgoing]) -> dict[int, str]:
        """Why some of these weren't taken."""
        return {one.number: self.refused[one.number] for one in events if one.number in self.refused}


def send_singly(target: DeliveryTarget, events: Sequence[Outgoing], stopping: threading.Event) -> IsolationResult:
    """Send one after another, until it takes nothing more. Once `stopping` is set, a failure says nothing.

    Raises:
        TargetError: it answers for none of them.
    """
    refused: dict[int, str] = {}
    failures: list[TargetError] = []
    for place, one in enumerate(events):
        try:
            refused |= target.send([one])
        except TargetError as error:
            if stopping.is_set() or not may_be_an_events_fault(error):
                if len(failures) == place:
                    raise  # that the ones before failed may be the target's fault as well
                return IsolationResult(tuple(events[:place]), refused, error)
            failures.append(error)
            refused[one.number] = str(error)
    if failures and len(failures) == len(events):
        raise failures[-1]
    return IsolationResult(tuple(events), refused)
