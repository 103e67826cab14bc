"""Writes findings down: events, states and health go into the outbox, in one transaction a frame.

Belongs to the wiring, as `delivery` does: it joins `events` and `outbox`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from edge_agent.contract.messages import CameraHealth, LocationState
from edge_agent.contract.topics import Topics
from edge_agent.events import Finding, Writer
from edge_agent.outbox import Message, Outbox

REFRESH_SHARE = 1 / 3
"""A state is published again after this share of the time that it is valid for."""


class Recorder:
    """Knows the last state of every location, and what of a new finding the WMS has to be told."""

    def __init__(self, outbox: Outbox, writer: Writer, valid_for_s: float) -> None:
        """Take up the states that the outbox holds."""
        self._outbox = outbox
        self._writer = writer
        self._refresh_s = valid_for_s * REFRESH_SHARE
        self._states = {name: LocationState.model_validate_json(text) for name, text in outbox.states().items()}
        self._published = dict.fromkeys(self._states, 0.0)  # monotonic time of the last state message

    def forget_others(self, topics: Topics, locations: Collection[str], cameras: Collection[str]) -> None:
        """Clear the retained topics of locations and cameras that have left the configuration."""
        ours = {topics.state(location) for location in locations} | {topics.health(camera) for camera in cameras}
        gone = sorted(self._outbox.retained() - ours)
        left = {location: None for location in self._states if location not in locations}
        if gone or left:
            messages = [Message("state", topic, b"", retain=True) for topic in gone]
            self._outbox.append(messages, left, self._outbox.last_sequence)
        for location in left:
            del self._states[location]

    def record(self, findings: Sequence[Finding | None], *, historical: bool) -> bool:
        """Store what has changed, and states that are due again. Returns whether anything was stored.

        Raises:
            KardusError: the outbox can't be written.
        """
        messages: list[Message] = []
        states: dict[str, LocationState] = {}
        sequence = self._outbox.last_sequence
        for finding in filter(None, findings):
            known = self._states.get(finding.location)
            changed = finding.differs_from(known)
            if changed:
                sequence += 1
                event = self._writer.event(finding, known, self._outbox.epoch, sequence, historical=historical)
                messages.append(Message("event", *event))
            if changed or self.is_due(finding.location):
                since = finding.captured if changed or known is None else known.since
                state = self._writer.state(finding, since)
                states[finding.location] = state
                messages.append(Message("state", *self._writer.state_message(state), retain=True))
        if not messages:
            return False
        self._outbox.append(messages, {name: s.model_dump_json() for name, s in states.items()}, sequence)
        self._states.update(states)
        self._published.update(dict.fromkeys(states, time.monotonic()))
        return True

    def record_health(self, health: CameraHealth) -> None:
        """Store a camera's health."""
        message = Message("state", *self._writer.health(health), retain=True)
        self._outbox.append([message], {}, self._outbox.last_sequence)

    def is_due(self, location: str) -> bool:
        """Whether a location's state has to be published again, or never was."""
        return time.monotonic() - self._published.get(location, 0.0) >= self._refresh_s
