"""The agent: wires the stages. Data goes one way, and no stage knows another.

    source ──> reader ──> slots.cut ──> classifier ──> verdict.decide ──> events ──> outbox ──> delivery ──> MQTT
    (camera/)  (a thread                                    ^              (one                  (a thread)
               a camera)                                    │            transaction
                                        expected  <── MQTT ─┘              a frame)

Everything between the reader and the outbox happens in the thread that calls `Agent.run`.
"""

from __future__ import annotations

import logging
import queue
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from edge_agent import __version__
from edge_agent.bundle import Bundle, read_bundle, require_trust
from edge_agent.camera.reader import CameraReader
from edge_agent.camera.source import open_source
from edge_agent.classifier import Classifier
from edge_agent.config import CameraSection, Config
from edge_agent.contract.messages import CameraHealth, ExpectedStock, LocationState, Model
from edge_agent.contract.topics import Topics, expected_topic, location_of
from edge_agent.contract.verdicts import Verdict
from edge_agent.delivery import Delivery
from edge_agent.errors import ConfigError, KardusError
from edge_agent.events import Finding, Writer, seen_of
from edge_agent.expected import Expectation, ExpectedStore
from edge_agent.mqtt.connection import Handlers
from edge_agent.mqtt.session import MqttSession
from edge_agent.outbox import Message, Outbox
from edge_agent.records import Classification, Ended, Frame, SignalLost
from edge_agent.slots import Slot, cut, outside, slots_of
from edge_agent.verdict import decide

FIRST_CONNECTION_S = 3.0
"""How long the first look waits for the broker, so that the expected stock is there before it."""
LAST_DELIVERY_S = 5.0
"""How long a clean stop waits for what is still in the outbox."""
REFRESH_SHARE = 1 / 3
"""A state is published again after this share of the time that it is valid for."""
log = logging.getLogger("kardus.agent")


@dataclass(frozen=True)
class ExpectedMessage:
    """Expected stock as it came from the broker."""

    location: str
    payload: bytes


@dataclass
class View:
    """A camera's slots, and the last looks at each location."""

    camera: CameraSection
    slots: tuple[Slot, ...]
    looks: dict[str, deque[Classification]]
    health: str = ""
    last_capture: datetime = field(default_factory=lambda: datetime.now(UTC))


Item = Frame | SignalLost | Ended | ExpectedMessage


def load_model(config: Config) -> tuple[Bundle, Classifier]:
    """Read the bundle, require its trust, and run its golden samples.

    Raises:
        BundleError: it is damaged, not trusted, or computes otherwise here.
    """
    bundle = read_bundle(config.model.bundle)
    require_trust(bundle, config.model.trust, allow_unsigned=config.model.allow_unsigned)
    classifier = Classifier(bundle, config.model.threads)
    classifier.check_golden(bundle)
    return bundle, classifier


class Agent:
    """One camera box: some cameras, one model, one outbox, one broker."""

    def __init__(self, config: Config) -> None:
        """Open everything that must be there; cameras and broker may come later.

        Raises:
            KardusError: the model, the data folder or the configuration is not usable.
        """
        bundle, self._classifier = load_model(config)
        self._config = config
        self._model = Model(name=bundle.manifest.name, version=bundle.manifest.version)
        topics = Topics(config.agent.site, config.agent.name)
        self._writer = Writer(topics, self._model, config.verdict.valid_for_s)
        self._views = {camera.name: _view(camera, config.verdict.window) for camera in config.cameras}
        locations = [slot.location for view in self._views.values() for slot in view.slots]
        _make_folder(config)
        self._expected = ExpectedStore(config.agent.data_dir / "expected.sqlite", frozenset(locations))
        self._outbox = Outbox(config.agent.data_dir / "outbox.sqlite")
        self._states = {
            name: LocationState.model_validate_json(text)
            for name, text in self._outbox.states().items()
            if name in locations
        }
        self._published = dict.fromkeys(self._states, 0.0)  # monotonic time of the last state message
        self._locations = locations
        self._inbox: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._session = MqttSession(
            config.mqtt,
            f"kardus-{config.agent.site}-{config.agent.name}",
            [expected_topic(config.agent.site, location) for location in locations],
            self._writer.offline("connection lost", datetime.now(UTC)),
        )
        self._delivery = Delivery(self._outbox, self._session)
        self._readers = {
            camera.name: CameraReader(camera.name, open_source(camera), camera.interval_s, self._inbox.put)
            for camera in config.cameras
        }

    def stop(self) -> None:
        """Ask `run` to end. May be called from a signal handler."""
        self._inbox.put(None)

    def run(self) -> None:
        """Look, judge and publish until `stop` is called or every source has ended.

        Raises:
            ConfigError: a location lies outside the first picture of its camera.
            KardusError: the outbox can't be written.
        """
        self._session.start(Handlers(self._on_connect, self._on_message, self._delivery.acknowledged))
        self._delivery.start()
        if not self._session.wait_connected(FIRST_CONNECTION_S):
            log.warning("starting without the broker; what is decided is kept in the outbox")
        for reader in self._readers.values():
            reader.start()
        try:
            self._loop()
        finally:
            self._close()

    def _loop(self) -> None:
        running = set(self._readers)
        while running and (item := self._inbox.get()) is not None:
            match item:
                case Frame():
                    self._look(item)
                    self._readers[item.camera].taken()
                case SignalLost():
                    self._lose(item)
                    self._readers[item.camera].taken()
                case Ended():
                    self._report_health(self._views[item.camera], "ended", "the source has no more pictures")
                    running.discard(item.camera)
                case ExpectedMessage():
                    self._expect(item)

    def _look(self, frame: Frame) -> None:
        """One frame: cut, classify, judge, write down."""
        view = self._views[frame.camera]
        problem = outside(view.slots, frame.pixels)
        if problem and not view.health:
            raise ConfigError(f"camera '{frame.camera}': {problem}")
        if problem:
            self._lose(SignalLost(frame.camera, frame.captured, problem))
            return
        view.last_capture = frame.captured
        crops = cut(view.slots, frame.pixels, self._classifier.size_px)
        for slot, classification in zip(view.slots, self._classifier.classify(crops), strict=True):
            view.looks[slot.location].append(classification)
        self._report_health(view, "ok", "")
        self._record([self._judge(view, slot.location) for slot in view.slots])

    def _lose(self, lost: SignalLost) -> None:
        """No picture to trust: every location of the camera becomes stale, and old looks don't count any more."""
        view = self._views[lost.camera]
        for looks in view.looks.values():
            looks.clear()
        self._report_health(view, "lost", lost.reason)
        self._record(
            [
                Finding(slot.location, Verdict.STALE, lost.camera, lost.captured, reason=lost.reason)
                for slot in view.slots
            ]
        )

    def _expect(self, message: ExpectedMessage) -> None:
        """The WMS has spoken: judge the last looks again."""
        problem = self._expected.apply(message.location, message.payload)
        if problem:
            log.warning("expected stock of %s refused: %s", message.location, problem)
            return
        for view in self._views.values():
            if message.location in view.looks:
                self._record([self._judge(view, message.location)])

    def _judge(self, view: View, location: str) -> Finding | None:
        """What the last looks at a location come to; None while they are too few."""
        expectation = self._expected.get(location)
        decided = decide(
            list(view.looks[location]), expectation.expected if expectation else None, self._config.verdict
        )
        if decided is None:
            return None
        judgement, latest = decided
        stock = _stock(expectation)
        likelihood = latest.likelihood(stock.sku) if stock and stock.sku else None
        return Finding(
            location,
            judgement.verdict,
            view.camera.name,
            view.last_capture,
            expected=stock,
            seen=seen_of(latest, judgement.sku, judgement.category),
            expected_likelihood=min(1.0, likelihood) if likelihood is not None else None,
            reason=judgement.reason,
        )

    def _record(self, findings: Sequence[Finding | None]) -> None:
        """Write events and states to the outbox in one transaction, then let them be delivered."""
        messages: list[Message] = []
        states: dict[str, LocationState] = {}
        sequence = self._outbox.last_sequence
        for finding in findings:
            if finding is None:
                continue
            known = self._states.get(finding.location)
            changed = finding.differs_from(known)
            if changed:
                sequence += 1
                historical = not self._session.connected
                event = self._writer.event(finding, known, self._outbox.epoch, sequence, historical=historical)
                messages.append(Message("event", *event))
            if changed or self._is_due(finding.location):
                since = finding.captured if changed or known is None else known.since
                state = self._writer.state(finding, since)
                states[finding.location] = state
                messages.append(Message("state", *self._writer.state_message(state), retain=True))
        if messages:
            self._outbox.append(messages, {name: s.model_dump_json() for name, s in states.items()}, sequence)
            self._states.update(states)
            self._published.update(dict.fromkeys(states, time.monotonic()))
            self._delivery.wake()

    def _is_due(self, location: str) -> bool:
        refresh_s = self._config.verdict.valid_for_s * REFRESH_SHARE
        return time.monotonic() - self._published.get(location, 0.0) >= refresh_s

    def _report_health(self, view: View, status: str, reason: str) -> None:
        if view.health == f"{status} {reason}":
            return
        view.health = f"{status} {reason}"
        log.info("camera %s: %s %s", view.camera.name, status, reason)
        health = CameraHealth.model_validate(
            {"camera": view.camera.name, "status": status, "reason": reason, "since": datetime.now(UTC)}
        )
        message = Message("state", *self._writer.health(health), retain=True)
        self._outbox.append([message], {}, self._outbox.last_sequence)
        self._delivery.wake()

    def _on_connect(self, connection: int) -> None:
        topic, payload = self._writer.online(len(self._locations), __version__, datetime.now(UTC))
        self._session.publish(connection, topic, payload, retain=True)
        self._delivery.wake()

    def _on_message(self, topic: str, payload: bytes) -> None:
        location = location_of(topic)
        if location is not None:
            self._inbox.put(ExpectedMessage(location, payload))

    def _close(self) -> None:
        for reader in self._readers.values():
            reader.stop()
        if not self._delivery.drain(LAST_DELIVERY_S):
            log.warning("%d messages stay in the outbox until the next start", self._outbox.depth())
        self._delivery.stop()
        self._session.stop(self._writer.offline("stopped", datetime.now(UTC)))
        self._outbox.close()
        self._expected.close()


def _view(camera: CameraSection, window: int) -> View:
    slots = slots_of(camera)
    return View(camera, slots, {slot.location: deque(maxlen=window) for slot in slots})


def _stock(expectation: Expectation | None) -> ExpectedStock | None:
    if expectation is None:
        return None
    expected = expectation.expected
    age = expectation.age_s(time.time())
    return ExpectedStock(sku=expected.sku, revision=expected.revision, age_s=round(age, 3), quantity=expected.quantity)


def _make_folder(config: Config) -> None:
    try:
        config.agent.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KardusError(f"agent.data_dir = {config.agent.data_dir}: cannot be made ({error.strerror})") from error
