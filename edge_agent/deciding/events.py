"""Writes down what was decided: events, states, status and health, as the messages of the contract."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from kardus.contract.base import Record
from kardus.contract.manifest import EMPTY_CLASS
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
    Candidate,
    Coverage,
    Envelope,
    ExpectedStock,
    LocationEvent,
    LocationState,
    Model,
    ModelStatus,
    Seen,
)
from kardus.contract.receipts import LOST_TYPE, Lost
from kardus.contract.topics import Topics
from kardus.contract.verdicts import Verdict
from kardus.inference.classification import Classification
from kardus.support.clock import SYSTEM_CLOCK, Clock
from kardus.support.identifiers import boot_id, uuid7


@dataclass(frozen=True)
class Finding:
    """A verdict on a location, with everything it rests on."""

    location: str
    verdict: Verdict
    camera: str
    captured: datetime
    expected: ExpectedStock | None = None
    seen: Seen | None = None
    expected_likelihood: float | None = None
    reason: str = ""
    facing: int | None = None
    seen_at: tuple[str, ...] = ()

    def differs_from(self, state: LocationState | None) -> bool:
        """Whether the WMS has to be told: something else is found, or expected, than in the state that it knows."""
        if state is None:
            return True
        return (self.verdict, _sku(self.seen), _sku(self.expected), self.facing, self.seen_at) != (
            state.verdict,
            _sku(state.seen),
            _sku(state.expected),
            state.facing,
            state.seen_at,
        )


class Writer:
    """Puts the agent's name, model and boot on its messages."""

    def __init__(self, topics: Topics, model: Model, valid_for_s: float, clock: Clock = SYSTEM_CLOCK) -> None:
        """Keep what every message carries."""
        self._clock = clock
        self._topics = topics
        self._model = model
        self._valid_for = timedelta(seconds=valid_for_s)
        self._boot_id = boot_id()

    def use(self, valid_for_s: float) -> None:
        """States are void after another time."""
        self._valid_for = timedelta(seconds=valid_for_s)

    def use_model(self, model: Model) -> None:
        """Another model judges from now on."""
        self._model = model

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
    ) -> tuple[str, bytes]:
        """Topic and payload of a change of verdict; with a new id, unless one is given."""
        data = LocationEvent(
            epoch=epoch,
            sequence=sequence,
            boot_id=self._boot_id,
            captured=finding.captured,
            clock_synchronised=self._clock.is_synchronised(),
            location=finding.location,
            verdict=finding.verdict,
            previous=previous.verdict if previous else None,
            expected=finding.expected,
            seen=finding.seen,
            expected_likelihood=finding.expected_likelihood,
            camera=finding.camera,
            model=self._model,
            reason=finding.reason,
            facing=finding.facing,
            seen_at=finding.seen_at,
            alert=alert,
            evidence=evidence,
            historical=historical,
        )
        payload = self._wrap(EVENT_TYPE, finding.captured, data, finding.location, event_id)
        return self._topics.events(finding.location), payload

    def evidence_topic(self, location: str, event_id: str) -> str:
        """Where the picture that an event rests on is published."""
        return self._topics.evidence(location, event_id)

    def state(
        self, finding: Finding, since: datetime, verified: datetime | None, *, alert: Alert | None = None
    ) -> LocationState:
        """The current verdict at the location of a finding; `verified` is when it was last verified, None: never."""
        return LocationState(
            location=finding.location,
            verdict=finding.verdict,
            since=since,
            last_verified=verified,
            valid_until=finding.captured + self._valid_for,
            expected=finding.expected,
            seen=finding.seen,
            camera=finding.camera,
            model=self._model,
            reason=finding.reason,
            facing=finding.facing,
            seen_at=finding.seen_at,
            alert=alert,
        )

    def state_message(self, state: LocationState) -> tuple[str, bytes]:
        """Topic and payload of a state."""
        return self._topics.state(state.location), self._wrap(
            STATE_TYPE, state.valid_until - self._valid_for, state, state.location
        )

    def status(self, status: AgentStatus, moment: datetime) -> tuple[str, bytes]:
        """Topic and payload of the agent's status."""
        return self._topics.status, self._wrap(STATUS_TYPE, moment, status)

    def online(
        self, locations: int, version: str, moment: datetime, *, epoch: str = "", sequence: int = 0, reason: str = ""
    ) -> tuple[str, bytes]:
        """The agent is there; `sequence` is the last event of its outbox, `epoch`; `reason`: what it can't do now."""
        status = AgentStatus(
            status="online",
            boot_id=self._boot_id,
            version=version,
            model=self._model,
            locations=locations,
            epoch=epoch,
            sequence=sequence,
            reason=reason,
        )
        return self.status(status, moment)

    def offline(self, reason: str, moment: datetime) -> tuple[str, bytes]:
        """The agent is gone: said by itself at a clean stop, else by its last will."""
        return self.status(AgentStatus(status="offline", boot_id=self._boot_id, reason=reason), moment)

    def coverage(self, coverage: Coverage) -> tuple[str, bytes]:
        """Topic and payload of a report on what was verified."""
        return self._topics.coverage, self._wrap(COVERAGE_TYPE, coverage.until, coverage)

    def lost(self, lost: Lost, moment: datetime) -> tuple[str, bytes]:
        """Topic and payload of what will never come."""
        return self._topics.lost, self._wrap(LOST_TYPE, moment, lost)

    def model_status(self, status: ModelStatus) -> tuple[str, bytes]:
        """Topic and payload of what becomes of a model."""
        return self._topics.model, self._wrap(MODEL_TYPE, status.since, status)

    def health(self, health: CameraHealth) -> tuple[str, bytes]:
        """Topic and payload of a camera's health."""
        return self._topics.health(health.camera), self._wrap(HEALTH_TYPE, health.since, health, health.camera)

    def _wrap(self, kind: str, moment: datetime, data: Record, subject: str = "", own_id: str = "") -> bytes:
        source = f"/{self._topics.base}"
        return Envelope(
            id=own_id or uuid7(), source=source, type=kind, time=moment, subject=subject, data=data
        ).encode()


def seen_of(classification: Classification, sku: str | None, category: str | None) -> Seen:
    """What a classification comes to, with product and category as far as the verdict holds them for sure."""
    top = tuple(Candidate(sku=s.sku, likelihood=min(1.0, s.likelihood)) for s in classification.skus[:3])
    if not classification.known or (classification.doubted and classification.sku != EMPTY_CLASS):
        return Seen(sku=None, confidence=classification.confidence, top=top)
    if classification.sku == EMPTY_CLASS:
        return Seen(sku=None, name=EMPTY_CLASS, confidence=classification.confidence, top=top)
    name = classification.name if sku else None
    confidence = classification.confidence if sku else classification.category_confidence
    return Seen(sku=sku, name=name, category=category or classification.category, confidence=confidence, top=top)


def _sku(part: Seen | ExpectedStock | None) -> str | None:
    return part.sku if part else None
