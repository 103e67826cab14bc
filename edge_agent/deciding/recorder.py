"""Writes findings down: events, states and health go into the outbox, in one transaction a frame.

An alert is what somebody has to walk to a location for: open, acknowledged, resolved. It stays the same one while the
verdict changes from one alert to another, and while doubt or a lost view keeps anyone from knowing better; only a
verdict that all is well ends it. It names where its product is seen instead.
"""

import logging
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.records import NO_PICTURES, EventPictures, Finding, Message
from kardus.contract.messages import Alert, CameraHealth, Coverage, LocationState, Verified
from kardus.contract.topics import Topics
from kardus.contract.verdicts import ALERTS, UNVERIFIED, Verdict, is_verified
from kardus.support.clock import SYSTEM_CLOCK, Clock
from kardus.support.identifiers import uuid7
from kardus.support.spelling import composed

REFRESH_SHARE = 1 / 3
"""A state is published again after this share of the time that it is valid for."""
FINDINGS_PER_HEARTBEAT = 64
"""So many findings are written down, with their pictures, between two signs of life."""
WITHOUT_PICTURES = frozenset({Verdict.MATCH, Verdict.UNMANAGED, Verdict.STALE})
"""Verdicts that need no evidence, or have no picture to be trusted."""
WELL = frozenset({Verdict.MATCH, Verdict.UNMANAGED})
"""The verdicts that end an alert."""
MAX_SEEN_AT = 5
"""`seen_at` names so many locations at most: nobody would walk to more."""
log = logging.getLogger("kardus.deciding")
OnEvent = Callable[[str, Finding], EventPictures]
"""Given an event's id and its finding; says which pictures of it are kept."""


class Journal(Protocol):
    """Where messages and states are stored for good: the outbox."""

    @property
    def epoch(self) -> str:
        """Identifies it."""

    @property
    def last_sequence(self) -> int:
        """The sequence of the last event."""

    def append(
        self, messages: Sequence[Message], states: Mapping[str, str | None], last_sequence: int, epoch: str = ""
    ) -> None:
        """Store messages and states that are counted in this epoch, by default the one of now."""

    def states(self) -> dict[str, str]:
        """The last stored state of each location, as JSON."""

    def retained(self) -> set[str]:
        """Every topic that the broker retains a message for."""


class Recorder:
    """Knows the last state of every location, and what of a new finding the WMS has to be told."""

    def __init__(
        self,
        outbox: Journal,
        writer: MessageWriter,
        valid_for_s: float,
        on_event: OnEvent = lambda *_: NO_PICTURES,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Take up the states that the outbox holds. `on_event` is called with every event."""
        self._clock = clock
        self._outbox = outbox
        self._writer = writer
        self._refresh_s = valid_for_s * REFRESH_SHARE
        self._states = _known_states(outbox)
        self._published = dict.fromkeys(self._states, -math.inf)  # monotonic time of the last state message
        self._on_event = on_event
        self._opened: dict[str, float] = {}  # monotonic time at which an alert was opened, by its id

    def apply_settings(self, valid_for_s: float) -> None:
        """Take another time after which states are void."""
        self._writer.apply_settings(valid_for_s)
        self._refresh_s = valid_for_s * REFRESH_SHARE

    @property
    def states(self) -> Mapping[str, LocationState]:
        """The last state of each location."""
        return self._states

    @property
    def position(self) -> tuple[str, int]:
        """The outbox's epoch, and the sequence of its last event."""
        return self._outbox.epoch, self._outbox.last_sequence

    def forget_others(
        self, topics: Topics, locations: Collection[str], cameras: Collection[str], others: Collection[str] = ()
    ) -> None:
        """Clear the retained topics of locations and cameras that have left the configuration; `others` stay."""
        ours = {topics.state(location) for location in locations} | {topics.health(camera) for camera in cameras}
        gone = sorted(self._outbox.retained() - ours - {topics.coverage, topics.model, *others})
        left = {location: None for location in self._states if location not in locations}
        if gone or left:
            messages = [Message("state", topic, b"", retain=True) for topic in gone]
            self._outbox.append(messages, left, self._outbox.last_sequence)
        for location in left:
            del self._states[location]
            self._published.pop(location, None)

    def affected_locations(self, findings: Sequence[Finding]) -> set[str]:
        """Other locations of which these findings say where their product is."""
        return affected_locations(findings, self._states)

    def record(
        self,
        findings: Sequence[Finding | None],
        *,
        historical: bool,
        beat: Callable[[str], None] = lambda _: None,
    ) -> bool:
        """Store what has changed, and states that are due again. Returns whether anything was stored.

        Args:
            findings: of one frame, or of one moment; None: nothing was found.
            historical: whether they will be sent late.
            beat: called between two portions of them, with how far it is.

        Raises:
            KardusError: the outbox can't be written.
        """
        messages: list[Message] = []
        states: dict[str, LocationState] = {}
        epoch, sequence = self.position
        due, synchronised = self.due(), self._clock.is_synchronised()
        found = with_seen_at([finding for finding in findings if finding], self._states)
        for number, finding in enumerate(found):
            if number and number % FINDINGS_PER_HEARTBEAT == 0:
                beat(f"{number} of {len(found)} findings are written down")
            known = self._states.get(finding.location)
            changed = known is None or differs(finding, known)
            if not (changed or finding.location in due):
                continue
            sequence += changed
            state = self._next_state(finding, known, sequence, changed=changed)
            if changed:
                messages += self._event(
                    finding, known, state.alert, sequence, historical=historical, synchronised=synchronised
                )
            states[finding.location] = state
            messages.append(self._state_message(state))
        return self._store(messages, states, sequence, epoch)

    def acknowledge(self, location: str, by: str, moment: datetime) -> Alert | None:
        """Mark a location's alert as known to somebody. None where it has none that stands.

        Raises:
            KardusError: the outbox can't be written.
        """
        state = self._states.get(location)
        if state is None or state.alert is None or state.alert.status == "resolved":
            return None
        last_sequence = self._outbox.last_sequence
        epoch, sequence, repeat = self._next_position(state, last_sequence)
        place = {"epoch": epoch, "sequence": sequence, "repeat": repeat}
        state = state.model_copy(update={"alert": acknowledged(state.alert, by, moment), **place})
        self._store([self._state_message(state)], {location: state}, last_sequence, epoch)
        return state.alert

    def publish_again(self) -> None:
        """Let every state be published once more.

        Raises:
            KardusError: the outbox can't be written.
        """
        messages = [self._state_message(state) for state in self._states.values()]
        self._store(messages, dict(self._states), self._outbox.last_sequence)

    def record_health(self, health: CameraHealth) -> None:
        """Store a camera's health."""
        message = Message("state", *self._writer.health(health), retain=True)
        self._outbox.append([message], {}, self._outbox.last_sequence)

    def record_retained(self, topic: str, payload: bytes) -> None:
        """Store a message that is to be retained by the broker, under a topic of its own."""
        self._outbox.append([Message("state", topic, payload, retain=True)], {}, self._outbox.last_sequence)

    def record_coverage(self, locations: Collection[str], since: datetime) -> Coverage:
        """Store which of the locations were verified since then; the report."""
        coverage = coverage_since(self._states, locations, since, self._clock.now())
        message = Message("event", *self._writer.coverage(coverage), retain=True)
        self._outbox.append([message], {}, self._outbox.last_sequence)
        return coverage

    def due(self) -> set[str]:
        """The known locations whose state has to be published again."""
        before_s = self._clock.monotonic_s() - self._refresh_s
        return {location for location, published_s in self._published.items() if published_s <= before_s}

    def _event(
        self,
        finding: Finding,
        known: LocationState | None,
        alert: Alert | None,
        sequence: int,
        *,
        historical: bool,
        synchronised: bool,
    ) -> list[Message]:
        """A change of verdict, with the picture that it rests on."""
        event_id = uuid7()
        pictures = self._on_event(event_id, finding)
        event = self._writer.event(
            finding,
            known,
            self._outbox.epoch,
            sequence,
            historical=historical,
            alert=alert,
            event_id=event_id,
            evidence=pictures.kept,
            clock_synchronised=synchronised,
        )
        location, urgent = finding.location, alert is not None and alert.status == "open"
        messages = [Message("event", *event, location=location, sequence=sequence, urgent=urgent)]
        if pictures.publish:
            topic = self._writer.evidence_topic(location, event_id)
            messages.append(Message("evidence", topic, pictures.publish, location=location))
        return messages

    def _state_message(self, state: LocationState) -> Message:
        topic, payload = self._writer.state_message(state)
        return Message("state", topic, payload, retain=True, location=state.location)

    def _next_state(
        self, finding: Finding, known: LocationState | None, sequence: int, *, changed: bool
    ) -> LocationState:
        since = finding.captured if changed or known is None else known.since
        earlier = known.last_verified if known else None
        verified = earlier if finding.verdict in UNVERIFIED else finding.captured
        before = known.alert if known else None
        alert = self._next_alert(before, finding) if before or finding.verdict in ALERTS else None
        return self._writer.state(finding, since, verified, alert=alert, place=self._next_position(known, sequence))

    def _next_position(self, known: LocationState | None, sequence: int) -> tuple[str, int, int]:
        """Epoch, sequence and repeat of a location's next state: higher than those of the one before."""
        epoch = self._outbox.epoch
        same = known is not None and (known.epoch, known.sequence) == (epoch, sequence)
        return epoch, sequence, known.repeat + 1 if known and same else 0

    def _next_alert(self, alert: Alert | None, finding: Finding) -> Alert | None:
        opened_s = self._opened.get(alert.id) if alert else None
        open_s = self._clock.monotonic_s() - opened_s if opened_s is not None else None
        found = next_alert(alert, finding.verdict, finding.captured, open_s, "corrected" if finding.corrected else "")
        if found and found.status == "open":
            self._opened.setdefault(found.id, self._clock.monotonic_s())
        elif found and found.status == "resolved":
            self._opened.pop(found.id, None)
        return found

    def _store(
        self, messages: Sequence[Message], states: Mapping[str, LocationState], sequence: int, epoch: str = ""
    ) -> bool:
        if not messages:
            return False
        self._outbox.append(messages, {name: s.model_dump_json() for name, s in states.items()}, sequence, epoch)
        self._states.update(states)
        self._published.update(dict.fromkeys(states, self._clock.monotonic_s()))
        return True


def _known_states(outbox: Journal) -> dict[str, LocationState]:
    """The stored states by location; of one that can't be read nothing is known, as of a new location."""
    found = {}
    for name, text in _composed_states(outbox).items():
        try:
            found[name] = LocationState.model_validate_json(text)
        except ValueError:  # pydantic's is one
            log.error("the stored state of %s can't be read: it is judged anew", name)  # noqa: TRY400
    return found


def _composed_states(outbox: Journal) -> dict[str, str]:
    """The stored states; those of locations that were configured in NFD get their present name."""
    stored = outbox.states()
    former = [name for name in stored if name != composed(name)]
    if former:
        renamed = {composed(name): stored[name] for name in former if composed(name) not in stored}
        outbox.append([], dict.fromkeys(former) | renamed, outbox.last_sequence)
        stored = outbox.states()
    return stored


def next_alert(
    alert: Alert | None, verdict: Verdict, moment: datetime, open_s: float | None = None, reason: str = ""
) -> Alert | None:
    """What becomes of a location's alert by a new verdict.

    Args:
        alert: the alert so far; None where there is none.
        verdict: what is found now.
        moment: when the picture was taken.
        open_s: for how long the alert has been open, by a clock that never jumps; None: by the calendar.
        reason: why it ends, should it do so; empty: a picture shows that all is well.
    """
    standing = alert if alert is not None and alert.status != "resolved" else None
    if verdict in ALERTS:
        return standing or Alert(id=uuid7(), status="open", opened=moment)
    if verdict in WELL and standing:
        lasted = open_s if open_s is not None else (moment - standing.opened).total_seconds()
        return standing.model_copy(
            update={
                "status": "resolved",
                "resolved": moment,
                "duration_s": round(max(0.0, lasted), 3),
                "reason": reason,
            }
        )
    return standing


def acknowledged(alert: Alert, by: str, moment: datetime) -> Alert:
    """The alert, once somebody has said that it is known."""
    return alert.model_copy(update={"status": "acknowledged", "acknowledged": moment, "by": by})


def with_seen_at(findings: Sequence[Finding], states: Mapping[str, LocationState]) -> list[Finding]:
    """Findings that name, where their product is missing, the locations at which it stands and isn't expected."""
    astray = _astray(findings, states)
    return [
        replace(finding, seen_at=_seen_at(finding, astray)) if _lacks(finding.verdict) else finding
        for finding in findings
    ]


def affected_locations(findings: Sequence[Finding], states: Mapping[str, LocationState]) -> set[str]:
    """Other locations that lack a product, whose places these findings change."""
    astray, told = _astray(findings, states), {finding.location for finding in findings}
    return {
        location
        for location, state in states.items()
        if location not in told and _lacks(state.verdict) and state.seen_at != _of(state, location, astray)
    }


def _astray(findings: Iterable[Finding], states: Mapping[str, LocationState]) -> dict[str, list[str]]:
    """Where each product stands that isn't expected there, by its SKU."""
    now: dict[str, Finding | LocationState] = {**states, **{finding.location: finding for finding in findings}}
    places: dict[str, list[str]] = {}
    for location, found in sorted(now.items()):
        if found.verdict in ALERTS and found.seen and found.seen.sku:
            places.setdefault(found.seen.sku, []).append(location)
    return places


def _lacks(verdict: Verdict) -> bool:
    return verdict in {Verdict.MISMATCH, Verdict.EMPTY, Verdict.UNKNOWN}


def _seen_at(finding: Finding, astray: Mapping[str, list[str]]) -> tuple[str, ...]:
    return _of(finding, finding.location, astray)


def _of(found: Finding | LocationState, location: str, astray: Mapping[str, list[str]]) -> tuple[str, ...]:
    sku = found.expected.sku if found.expected else None
    return tuple(place for place in astray.get(sku or "", ()) if place != location)[:MAX_SEEN_AT]


def differs(finding: Finding, state: LocationState) -> bool:
    """Whether something else is found, or expected, than in the state that the WMS knows."""
    found, known = (
        (one.verdict, one.seen and one.seen.sku, one.expected and one.expected.sku, one.facing, one.seen_at)
        for one in (finding, state)
    )
    return found != known


def coverage_since(
    states: Mapping[str, LocationState], locations: Collection[str], since: datetime, until: datetime
) -> Coverage:
    """Which locations are verified at a moment (`until`), by a picture taken since an earlier one."""
    rows = tuple(_verified(location, states.get(location)) for location in sorted(locations))
    verified = sum(is_verified(row.verdict, row.last_verified, since) for row in rows)
    return Coverage(since=since, until=until, total=len(rows), verified=verified, locations=rows)


def _verified(location: str, state: LocationState | None) -> Verified:
    if state is None:
        return Verified(location=location, verdict=Verdict.STALE, last_verified=None, reason="nobody has looked yet")
    return Verified(location=location, verdict=state.verdict, last_verified=state.last_verified, reason=state.reason)
