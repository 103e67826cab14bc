"""The agent: wires the stages. Data goes one way, and no stage knows another.

    source ─> reader ─> view ─> slots ─> gate ─> classifier ─> verdict ─> recorder ─> outbox ─> delivery ─> MQTT
    (camera/) (a thread └─── watch: one ──────┘ (one batch for    ^       (events,   (one         (a thread)
              a camera)        a camera          all cameras)     │        states)  transaction)
                                                   expected <─── MQTT

Everything between the reader and the outbox happens in the thread that calls `Agent.run`.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from edge_agent import __version__
from edge_agent.camera.reader import CameraReader
from edge_agent.camera.source import open_source
from edge_agent.cameras import Camera
from edge_agent.commands import Request, answer
from edge_agent.config import Config
from edge_agent.config.cameras import CameraSection
from edge_agent.contract.messages import Coverage, Model, Status
from edge_agent.contract.topics import Topics, expected_topic, location_of
from edge_agent.contract.verdicts import Verdict
from edge_agent.delivery import Delivery
from edge_agent.desk import Desk
from edge_agent.errors import ConfigError, KardusError
from edge_agent.events import Finding, Writer
from edge_agent.evidence import Evidence
from edge_agent.expected import ExpectedStore
from edge_agent.health.care import Care
from edge_agent.health.metrics import Metrics, Present
from edge_agent.health.vitals import Pulse, Vitals
from edge_agent.judging import Judging
from edge_agent.model import load_model
from edge_agent.mqtt.connection import Handlers, Incoming
from edge_agent.mqtt.session import MqttSession
from edge_agent.outbox import Outbox
from edge_agent.preprocess import Pixels
from edge_agent.recorder import NO_PICTURES, WITHOUT_PICTURES, Pictures, Recorder
from edge_agent.records import Classification, Ended, Frame, SignalLost
from edge_agent.slots import outside
from edge_agent.watch import Look, Watch

FIRST_CONNECTION_S = 3.0
"""How long the first look waits for the broker, so that the expected stock is there before it."""
LAST_DELIVERY_S = 5.0
"""How long a clean stop waits for what is still in the outbox."""
EXPECTED_FILE = "expected.sqlite"
OUTBOX_FILE = "outbox.sqlite"
STUCK_S = 30.0
"""A thread that hasn't gone its round for so long doesn't do its work."""
EVIDENCE_FOLDER = "evidence"
TICK_S = 1.0
"""How often the agent looks after what doesn't come by itself."""
log = logging.getLogger("kardus.agent")


@dataclass(frozen=True)
class ExpectedMessage:
    """Expected stock as it came from the broker."""

    location: str
    payload: bytes


Item = Frame | SignalLost | Ended | ExpectedMessage | Request


class Agent:
    """One camera box: some cameras, one model, one outbox, one broker."""

    def __init__(self, config: Config) -> None:
        """Open everything that must be there; cameras and broker may come later.

        Raises:
            KardusError: the model, the data folder or the configuration is not usable.
        """
        bundle, self._classifier = load_model(config.model)
        self._config = config
        self._model = Model(name=bundle.manifest.name, version=bundle.manifest.version)
        self._topics = topics = Topics(config.agent.site, config.agent.name)
        self._writer = Writer(topics, self._model, config.verdict.valid_for_s)
        self._inbox: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._metrics, self._pulse = Metrics(), Pulse()
        self._metrics.model.labels(self._model.name, self._model.version).set(1)
        self._cameras = {section.name: self._open_camera(section) for section in config.cameras}
        locations = [location for camera in self._cameras.values() for location in camera.watch.locations]
        self._locations = locations
        _make_folder(config)
        self._expected = ExpectedStore(config.agent.data_dir / EXPECTED_FILE, frozenset(locations))
        self._outbox = Outbox(config.agent.data_dir / OUTBOX_FILE)
        self._evidence = Evidence(config.agent.data_dir / EVIDENCE_FOLDER, config.evidence)
        self._recorder = Recorder(self._outbox, self._writer, config.verdict.valid_for_s, self._on_event)
        self._desk = Desk(self._cameras, self._recorder, self._evidence, self._say_all, self._report_coverage)
        self._judging = Judging(self._expected, self._recorder.states, config.verdict.grace_s)
        self._recorder.forget_others(topics, locations, self._cameras)
        self._failures: list[str] = []
        self._today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._session = MqttSession(
            config.mqtt,
            f"kardus-{config.agent.site}-{config.agent.name}",
            [topics.commands_filter, *(expected_topic(config.agent.site, location) for location in locations)],
            self._writer.offline("connection lost", datetime.now(UTC)),
        )
        self._delivery = Delivery(self._outbox, self._session)
        self._care = self._looked_after()

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
        self._care.start()
        if not self._session.wait_connected(FIRST_CONNECTION_S):
            log.warning("starting without the broker; what is decided is kept in the outbox")
        for camera in self._cameras.values():
            camera.reader.start()
        try:
            self._loop()
        finally:
            self._close()

    def _open_camera(self, section: CameraSection) -> Camera:
        source = open_source(section)
        watch = Watch(section, self._config.view, self._config.gate, self._config.verdict, live=source.live)
        return Camera(watch, CameraReader(section.name, source, section.interval_s, self._inbox.put))

    def _looked_after(self) -> Care:
        """What looks after the agent's threads, and shows its metrics."""
        self._metrics.registry.register(
            Present(self._recorder.states, self._outbox.depth, lambda: self._session.connected)
        )
        pulses = {"agent": self._pulse, "delivery": self._delivery.pulse}
        alive = {"mqtt": lambda: self._session.is_alive, "outbox": lambda: self._outbox.is_alive}
        return Care(self._config.health, Vitals(pulses, alive, STUCK_S), self._metrics.registry)

    def _loop(self) -> None:
        running = set(self._cameras)
        while running:
            self._pulse.beat()
            items = self._next_items()
            if None in items:
                return
            frames = [item for item in items if isinstance(item, Frame)]
            if frames:
                self._look(frames)
            for item in items:
                self._deal_with(item, running)
            self._tick()
        if self._failures:
            raise KardusError(self._failures[0])

    def _deal_with(self, item: Item | None, running: set[str]) -> None:
        """Everything but a picture's content, which has been looked at."""
        match item:
            case SignalLost():
                self._lose(item)
            case Ended():
                self._end(self._cameras[item.camera])
                running.discard(item.camera)
            case ExpectedMessage():
                self._expect(item)
            case Request():
                self._answer(item)
        if isinstance(item, Frame | SignalLost):
            self._cameras[item.camera].last_word_s = time.monotonic()
            self._cameras[item.camera].reader.taken()

    def _next_items(self) -> list[Item | None]:
        """What has come, in order; nothing, once in a while, where nothing comes."""
        items: list[Item | None] = []
        with contextlib.suppress(queue.Empty):
            items.append(self._inbox.get(timeout=TICK_S))
            while True:
                items.append(self._inbox.get_nowait())
        return items

    def _look(self, frames: Sequence[Frame]) -> None:
        """Pictures of several cameras: check, cut, classify in one batch, judge, write down."""
        with self._metrics.cycle_s.time():
            self._look_at(frames)
        self._care.ready()

    def _look_at(self, frames: Sequence[Frame]) -> None:
        looks = [(self._cameras[frame.camera], self._prepare(frame)) for frame in frames]
        asked = [(camera, look) for camera, look in looks if look is not None]
        crops = [look.crops for _, look in asked if len(look.crops)]
        seen = iter(self._classify(np.concatenate(crops)) if crops else ())
        findings = []
        for camera, look in asked:
            expected = {name: self._judging.expected_at(name) for name in camera.watch.locations}
            standing = {name: verdict for name in expected if (verdict := self._judging.standing(name))}
            camera.watch.take(look, list(itertools.islice(seen, len(look.slots))), expected, standing)
            due = [name for name in camera.watch.locations if name in look.touched or self._recorder.is_due(name)]
            findings += [self._judging.judge(camera.watch, name) for name in due]
        self._record(findings)

    def _classify(self, crops: Pixels) -> list[Classification]:
        with self._metrics.classify_s.time():
            seen = self._classifier.classify(crops)
        self._metrics.classified.inc(len(seen))
        return seen

    def _prepare(self, frame: Frame) -> Look | None:
        """What is to be classified of a picture; None where it can't be trusted."""
        camera = self._cameras[frame.camera]
        problem = outside(camera.watch.slots, frame.pixels)
        if problem and camera.status is None:
            raise ConfigError(f"camera '{frame.camera}': {problem}")
        if problem:
            self._lose(SignalLost(frame.camera, frame.captured, problem))
            return None
        camera.has_looked = True
        self._metrics.frames.labels(camera.name).inc()
        view = camera.watch.check(frame)
        if view.problem:
            self._metrics.refused.labels(camera.name, view.problem).inc()
            if camera.watch.is_view_lost:
                self._lose(SignalLost(frame.camera, frame.captured, f"{view.problem}: {view.reason}"), view.problem)
            return None
        self._report_health(camera, "ok", "")
        look = camera.watch.look(frame, view, self._classifier.size_px)
        self._metrics.at_rest.inc(len(camera.watch.slots) - len(look.slots))
        return look

    def _end(self, camera: Camera) -> None:
        """A folder, video or script has been played."""
        if camera.has_looked:
            self._report_health(camera, "ended", "the source has no more pictures")
        else:
            reason = camera.reason or "its source is empty"
            self._failures.append(f"camera '{camera.name}' gave no picture: {reason}")

    def _tick(self) -> None:
        """What doesn't come by itself: silent cameras, grace that is over, the end of a day."""
        self._lose_silent()
        if self._judging.in_grace:
            self._record(self._judge_again(self._judging.in_grace))
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if today > self._today:
            self._report_coverage()
            self._today = today

    def _lose_silent(self) -> None:
        for camera in self._cameras.values():
            if camera.is_silent() and camera.status != "lost":
                self._lose(SignalLost(camera.name, datetime.now(UTC), "its reader hangs: neither picture nor error"))

    def _lose(self, lost: SignalLost, status: Status = "lost") -> None:
        """No picture to trust: every location of the camera becomes stale, and old looks don't count any more."""
        camera = self._cameras[lost.camera]
        camera.watch.lose()
        self._metrics.lost.labels(camera.name).inc()
        self._report_health(camera, status, lost.reason)
        self._record(
            [
                Finding(location, Verdict.STALE, lost.camera, lost.captured, reason=lost.reason)
                for location in camera.watch.locations
            ]
        )

    def _expect(self, message: ExpectedMessage) -> None:
        """The WMS has spoken: judge the last looks again, and look again."""
        problem = self._expected.apply(message.location, message.payload)
        if problem:
            self._metrics.expected_refused.inc()
            log.warning("expected stock of %s refused: %s", message.location, problem)
            return
        for camera in self._cameras.values():
            if message.location in camera.watch.locations:
                camera.watch.want(message.location)
                self._record([self._judging.judge(camera.watch, message.location)])

    def _judge_again(self, locations: Iterable[str]) -> list[Finding | None]:
        """Locations of whatever camera."""
        watches = {name: camera.watch for camera in self._cameras.values() for name in camera.watch.locations}
        return [self._judging.judge(watches[name], name) for name in sorted(locations)]

    def _record(self, findings: Sequence[Finding | None]) -> None:
        """Write events and states to the outbox in one transaction, then let them be delivered."""
        told = [finding for finding in findings if finding]
        told += filter(None, self._judge_again(self._recorder.affected(told)))
        if self._recorder.record(told, historical=not self._session.connected):
            self._delivery.wake()

    def _report_health(self, camera: Camera, status: Status, reason: str) -> None:
        if (camera.status, camera.reason) == (status, reason):
            return
        level = logging.INFO if status in ("ok", "ended") else logging.WARNING
        is_news = camera.status != status or status == "lost"
        camera.status, camera.reason = status, reason
        if not is_news:
            return  # the same problem in other numbers
        camera.since = datetime.now(UTC)
        self._metrics.camera_ok.labels(camera.name).set(status == "ok")
        log.log(level, "camera %s: %s %s", camera.name, status, reason)
        self._recorder.record_health(camera.health(status))
        self._delivery.wake()

    def _on_connect(self, connection: int) -> None:
        self._metrics.connections.inc()
        self._say_online(connection)

    def _say_online(self, connection: int) -> None:
        topic, payload = self._writer.online(len(self._locations), __version__, datetime.now(UTC))
        self._session.publish(connection, topic, payload, retain=True)
        self._delivery.wake()

    def _on_message(self, message: Incoming) -> None:
        location, command = location_of(message.topic), self._topics.command_of(message.topic)
        if location is not None:
            self._inbox.put(ExpectedMessage(location, message.payload))
        elif command is not None:
            self._inbox.put(
                Request(command, message.payload, message.retained, message.response_topic, message.correlation)
            )

    def _answer(self, request: Request) -> None:
        """Carry out a command; whoever has sent it is told over the present connection, or not at all."""
        found = answer(request, self._desk.handlers)
        name = request.name if request.name in self._desk.handlers else "unknown"
        self._metrics.commands.labels(name, "done" if found.reply.ok else "refused").inc()
        self._delivery.wake()
        connection = self._session.connection
        if found.topic and connection is not None:
            payload = found.reply.model_dump_json().encode()
            self._session.publish(connection, found.topic, payload, retain=False, correlation=found.correlation)

    def _say_all(self) -> None:
        """Status and health once more."""
        if (connection := self._session.connection) is not None:
            self._say_online(connection)
        for camera in self._cameras.values():
            if camera.status is not None:
                self._recorder.record_health(camera.health(camera.status))

    def _report_coverage(self) -> Coverage:
        coverage = self._recorder.record_coverage(self._locations, self._today)
        self._delivery.wake()
        return coverage

    def _on_event(self, event_id: str, finding: Finding) -> Pictures:
        """Count an event, and keep its evidence, from the camera's last good picture."""
        self._metrics.events.labels(finding.verdict).inc()
        shown = self._cameras[finding.camera].watch.shown(finding.location)
        if finding.verdict in WITHOUT_PICTURES or shown is None or not self._config.evidence.max_mb:
            return NO_PICTURES
        crop = self._evidence.keep(event_id, *shown, finding.facing)
        if crop is None:
            return NO_PICTURES
        return Pictures(kept=True, publish=crop if self._config.evidence.publish else b"")

    def _close(self) -> None:
        """Stop from the cameras to the disk; each step is taken even if an earlier one fails."""
        with contextlib.ExitStack() as steps:  # the last entered is the first done
            steps.callback(self._expected.close)
            steps.callback(self._outbox.close)
            steps.callback(self._session.stop, self._writer.offline("stopped", datetime.now(UTC)))
            steps.callback(self._delivery.stop)
            steps.callback(self._deliver_the_rest)
            steps.callback(self._care.stop)
            for camera in self._cameras.values():
                steps.callback(camera.reader.stop)

    def _deliver_the_rest(self) -> None:
        if not self._delivery.drain(LAST_DELIVERY_S):
            log.warning("%d messages stay in the outbox until the next start", self._outbox.depth())


def _make_folder(config: Config) -> None:
    try:
        config.agent.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KardusError(f"agent.data_dir = {config.agent.data_dir}: cannot be made ({error.strerror})") from error
