"""Writes down what was decided: events, states, status and health, as the messages of the contract."""

from datetime import datetime, timedelta
from typing import Any

from edge_agent.records import Finding
from kardus.contract.base import Record
from kardus.contract.messages import (
    COVERAGE_TYPE,
    EVENT_TYPE,
    HEALTH_TYPE,
    MODEL_TYPE,
    STATE_TYPE,
    STATUS_TYPE,
    AgentStatus,
    Alert,
    CameraHealth,
    Coverage,
    Envelope,
    LocationEvent,
    LocationState,
    LocationVerdict,
    Model,
    source_of,
)
from kardus.contract.model_status import ModelStatus
from kardus.contract.receipts import LOST_TYPE, Lost
from kardus.contract.topics import Topics
from kardus.support.clock import SYSTEM_CLOCK, Clock
from kardus.support.identifiers import boot_id, uuid7

VERDICT_FIELDS = tuple(name for name in LocationVerdict.model_fields if name not in ("model", "alert"))
"""The fields that a finding shares with an event and a state."""


class MessageWriter:
    """Writes what the agent has to say as messages of the contract, with its name, model and boot."""

    def __init__(self, topics: Topics, model: Model, valid_for_s: float, clock: Clock = SYSTEM_CLOCK) -> None:
        """Keep what every message carries."""
        self._clock = clock
        self.topics = topics
        self._source = source_of(topics)
        self._model = model
        self._runs_on = ""
        self._valid_for = timedelta(seconds=valid_for_s)
        self._boot_id = boot_id()

    def apply_settings(self, valid_for_s: float) -> None:
        """Take another time after which states are void."""
        self._valid_for = timedelta(seconds=valid_for_s)

    def use_model(self, model: Model, runs_on: str) -> None:
        """This model judges from now on; `runs_on`: what it was seen to run on."""
        self._model, self._runs_on = model, runs_on

    def event(
        self,
        finding: Finding,
        previous: LocationState | None,
        epoch: str,
        sequence: int,
        *,
        historical: bool,
        alert: Alert | None = None,
        event_id: str = "",
        evidence: bool = False,
        clock_synchronised: bool | None = None,
    ) -> tuple[str, bytes]:
        """Topic and payload of a change of verdict; with a new id, unless one is given."""
        data = LocationEvent(
            epoch=epoch,
            sequence=sequence,
            boot_id=self._boot_id,
            captured=finding.captured,
            clock_synchronised=self._clock.is_synchronised() if clock_synchronised is None else clock_synchronised,
            previous=previous.verdict if previous else None,
            expected_likelihood=finding.expected_likelihood,
            model=self._model,
            alert=alert,
            evidence=evidence,
            historical=historical,
            **_shared(finding),
        )
        payload = self._wrap(EVENT_TYPE, finding.captured, data, finding.location, event_id)
        return self.topics.events(finding.location), payload

    def evidence_topic(self, location: str, event_id: str) -> str:
        """Where the picture that an event rests on is published."""
        return self.topics.evidence(location, event_id)

    def state(
        self,
        finding: Finding,
        since: datetime,
        verified: datetime | None,
        *,
        alert: Alert | None = None,
        place: tuple[str, int, int] = ("", 0, 0),
    ) -> LocationState:
        """The current verdict at the location of a finding.

        `verified` is when it was last verified, None: never; `place`: its epoch, sequence and repeat.
        """
        epoch, sequence, repeat = place
        return LocationState(
            epoch=epoch,
            sequence=sequence,
            repeat=repeat,
            since=since,
            last_verified=verified,
            valid_until=finding.captured + self._valid_for,
            model=self._model,
            alert=alert,
            **_shared(finding),
        )

    def state_message(self, state: LocationState) -> tuple[str, bytes]:
        """Topic and payload of a state."""
        return self.topics.state(state.location), self._wrap(
            STATE_TYPE, state.valid_until - self._valid_for, state, state.location
        )

    def status(self, status: AgentStatus, moment: datetime) -> tuple[str, bytes]:
        """Topic and payload of the agent's status."""
        return self.topics.status, self._wrap(STATUS_TYPE, moment, status)

    def online(
        self, locations: int, version: str, moment: datetime, *, epoch: str = "", sequence: int = 0, **more: Any
    ) -> tuple[str, bytes]:
        """The agent is there; `sequence` is the last event of its outbox, `epoch`; `more`: other fields."""
        status = AgentStatus(
            status="online",
            boot_id=self._boot_id,
            version=version,
            model=self._model,
            runs_on=self._runs_on,
            locations=locations,
            epoch=epoch,
            sequence=sequence,
            **more,
        )
        return self.status(status, moment)

    def offline(self, reason: str, moment: datetime) -> tuple[str, bytes]:
        """The agent is gone: said by itself at a clean stop, else by its last will."""
        return self.status(AgentStatus(status="offline", boot_id=self._boot_id, reason=reason), moment)

    def coverage(self, coverage: Coverage) -> tuple[str, bytes]:
        """Topic and payload of a report on what was verified."""
        return self.topics.coverage, self._wrap(COVERAGE_TYPE, coverage.until, coverage)

    def lost(self, lost: Lost, moment: datetime) -> tuple[str, bytes]:
        """Topic and payload of what will never come."""
        return self.topics.lost, self._wrap(LOST_TYPE, moment, lost)

    def model_status(self, status: ModelStatus) -> tuple[str, bytes]:
        """Topic and payload of what becomes of a model."""
        return self.topics.model, self._wrap(MODEL_TYPE, status.since, status)

    def health(self, health: CameraHealth) -> tuple[str, bytes]:
        """Topic and payload of a camera's health."""
        return self.topics.health(health.camera), self._wrap(HEALTH_TYPE, health.since, health, health.camera)

    def _wrap(self, kind: str, moment: datetime, data: Record, subject: str = "", own_id: str = "") -> bytes:
        envelope: Envelope[Record] = Envelope(
            id=own_id or uuid7(), source=self._source, type=kind, time=moment, subject=subject, data=data
        )
        return envelope.model_dump_json().encode()


def _shared(finding: Finding) -> dict[str, Any]:
    """What an event and a state take over from a finding as it is."""
    return {name: getattr(finding, name) for name in VERDICT_FIELDS}
