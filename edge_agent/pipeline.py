"""The agent: wires the stages. Data goes one way, and no stage knows another.

    source ──> reader ──> slots.cut ──> classifier ──> verdict.decide ──> recorder ──> outbox ──> delivery ──> MQTT
    (camera/)  (a thread                                    ^            (events,   (one           (a thread)
               a camera)                                    │             states)   transaction
                                        expected  <── MQTT ─┘                       a frame)

Everything between the reader and the outbox happens in the thread that calls `Agent.run`.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from edge_agent import __version__
from edge_agent.bundle import Bundle, read_bundle, require_trust
from edge_agent.camera.reader import CameraReader
from edge_agent.camera.source import open_source
from edge_agent.classifier import Classifier
from edge_agent.config import CameraSection, Config
from edge_agent.contract.messages import CameraHealth, ExpectedStock, Model
from edge_agent.contract.topics import Topics, expected_topic, location_of
from edge_agent.contract.verdicts import Verdict
from edge_agent.delivery import Delivery
from edge_agent.errors import ConfigError, KardusError
from edge_agent.events import Finding, Writer, seen_of
from edge_agent.expected import Expectation, ExpectedStore
from edge_agent.mqtt.connection import Handlers
from edge_agent.mqtt.session import MqttSession
from edge_agent.outbox import Outbox
from edge_agent.recorder import Recorder
from edge_agent.records import Classification, Ended, Frame, SignalLost
from edge_agent.slots import Slot, cut, outside, slots_of
from edge_agent.verdict import decide

FIRST_CONNECTION_S = 3.0
"""How long the first look waits for the broker, so that the expected stock is there before it."""
LAST_DELIVERY_S = 5.0
"""How long a clean stop waits for what is still in the outbox."""
EXPECTED_FILE = "expected.sqlite"
OUTBOX_FILE = "outbox.sqlite"
Status = Literal["ok", "lost", "ended"]
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
    status: Status | None = None
    """The camera's health as it was last reported; None before the first picture."""
    reason: str = ""
    has_looked: bool = False
    """Whether the camera has given any picture."""
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
        self._locations = locations
        _make_folder(config)
        self._expected = ExpectedStore(config.agent.data_dir / EXPECTED_FILE, frozenset(locations))
        self._outbox = Outbox(config.agent.data_dir / OUTBOX_FILE)
        self._recorder = Recorder(self._outbox, self._writer, config.verdict.valid_for_s)
        self._recorder.forget_others(topics, locations, self._views)
        self._failures: list[str] = []
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
            KardusError: the outbox can't be written, or a source that ends gave no picture at all.
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
                    self._end(self._views[item.camera])
                    running.discard(item.camera)
                case ExpectedMessage():
                    self._expect(item)
        if self._failures and not running:
            raise KardusError(self._failures[0])

    def _look(self, frame: Frame) -> None:
        """One frame: cut, classify, judge, write down."""
        view = self._views[frame.camera]
        problem = outside(view.slots, frame.pixels)
        if problem and view.status is None:
            raise ConfigError(f"camera '{frame.camera}': {problem}")
        if problem:
            self._lose(SignalLost(frame.camera, frame.captured, problem))
            return
        view.has_looked = True
        view.last_capture = frame.captured
        crops = cut(view.slots, frame.pixels, self._classifier.size_px)
        for slot, classification in zip(view.slots, self._classifier.classify(crops), strict=True):
            view.looks[slot.location].append(classification)
        self._report_health(view, "ok", "")
        self._record([self._judge(view, slot.location) for slot in view.slots])

    def _end(self, view: View) -> None:
        """A folder, video or script has been played."""
        if view.has_looked:
            self._report_health(view, "ended", "the source has no more pictures")
        else:
            reason = view.reason or "its source is empty"
            self._failures.append(f"camera '{view.camera.name}' gave no picture: {reason}")

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
        if self._recorder.record(findings, historical=not self._session.connected):
            self._delivery.wake()

    def _report_health(self, view: View, status: Status, reason: str) -> None:
        if (view.status, view.reason) == (status, reason):
            return
        view.status, view.reason = status, reason
        level = logging.WARNING if status == "lost" else logging.INFO
        log.log(level, "camera %s: %s %s", view.camera.name, status, reason)
        now = datetime.now(UTC)
        self._recorder.record_health(CameraHealth(camera=view.camera.name, status=status, reason=reason, since=now))
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
        """Stop from the cameras to the disk; each step is taken even if an earlier one fails."""
        with contextlib.ExitStack() as steps:  # the last entered is the first done
            steps.callback(self._expected.close)
            steps.callback(self._outbox.close)
            steps.callback(self._session.stop, self._writer.offline("stopped", datetime.now(UTC)))
            steps.callback(self._delivery.stop)
            steps.callback(self._deliver_the_rest)
            for reader in self._readers.values():
                steps.callback(reader.stop)

    def _deliver_the_rest(self) -> None:
        if not self._delivery.drain(LAST_DELIVERY_S):
            log.warning("%d messages stay in the outbox until the next start", self._outbox.depth())


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
