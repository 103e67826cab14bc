"""The agent: wires the stages. Data goes one way, and no stage knows another.

    source ─> reader ─> view ─> slots ─> gate ─> classifier ─> verdict ─> recorder ─> outbox ─> delivery ─> MQTT
    (camera/) (a thread └─── watch: one ──────┘ (one batch for    ^       (events,   (one         (a thread)
              a camera)        a camera          all cameras)     │        states)  transaction)
                                                   expected <─── MQTT

Everything between the reader and the outbox happens in the thread that calls `Agent.run`.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.announcer import Announcer, subscriptions
from edge_agent.cameras import Camera, Cameras
from edge_agent.commands import Request, answer
from edge_agent.config import Config, load_config
from edge_agent.contract.messages import Coverage, Status
from edge_agent.contract.topics import Topics, location_of
from edge_agent.contract.verdicts import Verdict
from edge_agent.delivery import Delivery
from edge_agent.desk import Desk
from edge_agent.errors import KardusError
from edge_agent.events import Finding, Writer
from edge_agent.evidence import Evidence
from edge_agent.expected import ExpectedStore
from edge_agent.files import make_folder
from edge_agent.harvesting import Harvesting
from edge_agent.health.care import Care
from edge_agent.health.metrics import Metrics, Present
from edge_agent.health.vitals import Pulse, Vitals
from edge_agent.homeassistant import ONLINE
from edge_agent.judging import Judging
from edge_agent.line import Line
from edge_agent.model import open_model
from edge_agent.mqtt.connection import Handlers, Incoming
from edge_agent.mqtt.session import MqttSession
from edge_agent.outbox import Outbox
from edge_agent.recorder import NO_PICTURES, WITHOUT_PICTURES, Pictures, Recorder
from edge_agent.records import Ended, ExpectedMessage, Frame, HomeAssistantOnline, ReloadWanted, SignalLost
from edge_agent.reload import require_reloadable

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


Item = Frame | SignalLost | Ended | ExpectedMessage | Request | ReloadWanted | HomeAssistantOnline


class Agent:
    """One camera box: some cameras, one model, one outbox, one broker."""

    def __init__(self, config: Config, path: Path | None = None) -> None:
        """Open everything that must be there; cameras and broker may come later. `path` is read at a reload.

        Raises:
            KardusError: the model, the data folder or the configuration is not usable.
        """
        self._model, classifier = open_model(config.model)
        self._config, self._path = config, path
        self._topics = topics = Topics(config.agent.site, config.agent.name)
        self._writer = Writer(topics, self._model, config.verdict.valid_for_s)
        self._inbox: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._metrics, self._pulse = Metrics(), Pulse()
        self._metrics.model.labels(self._model.name, self._model.version).set(1)
        self._cameras = Cameras(config, self._inbox.put)
        locations = self._cameras.locations
        make_folder("agent.data_dir", config.agent.data_dir)
        self._expected = ExpectedStore(config.agent.data_dir / EXPECTED_FILE, frozenset(locations))
        self._outbox = Outbox(config.agent.data_dir / OUTBOX_FILE)
        self._evidence = Evidence(config.agent.data_dir / EVIDENCE_FOLDER, config.evidence)
        self._recorder = Recorder(self._outbox, self._writer, config.verdict.valid_for_s, self._on_event)
        self._judging = Judging(self._expected, self._recorder.states, config.verdict.grace_s)
        self._harvesting = Harvesting(config, self._judging, self._recorder.states, self._metrics)
        self._line = Line(self._cameras, classifier, self._judging, self._metrics)
        self._failures: list[str] = []
        self._today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._session = MqttSession(
            config.mqtt,
            f"kardus-{config.agent.site}-{config.agent.name}",
            subscriptions(config, topics, locations),
            self._writer.offline("connection lost", datetime.now(UTC)),
        )
        self._announcer = Announcer(topics, self._writer, self._recorder, self._cameras, self._session)
        self._announcer.forget_others(config)
        self._desk = Desk(
            self._cameras,
            self._recorder,
            self._evidence,
            say_all=self._announcer.say_all,
            report_coverage=self._report_coverage,
            reload=self._reload,
        )
        self._delivery = Delivery(self._outbox, self._session)
        self._care = self._looked_after()

    def request_reload(self) -> None:
        """Ask for the configuration to be read again. May be called from a signal handler or any thread."""
        self._inbox.put(ReloadWanted())

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
        self._announcer.introduce(self._config)
        self._cameras.begin()
        try:
            self._loop()
        finally:
            self._close()

    def _reload_or_say_why_not(self) -> None:
        try:
            self._reload()
        except KardusError as error:
            log.error("the configuration stays as it was: %s", error)  # noqa: TRY400 - the message says it all

    def _reload(self) -> None:
        """Read the configuration again, and go over to it; nothing changes where it can't be used.

        Raises:
            KardusError: it is wrong, needs a restart, or names a picture or a password that can't be read.
        """
        if self._path is None:
            raise KardusError("this agent has no configuration file to read again")
        config = load_config(self._path)
        if config == self._config:
            return
        require_reloadable(self._config, config)
        prepared = self._cameras.prepare(config)
        before = set(self._cameras.locations)
        self._cameras.end(prepared.ended)
        self._drop(prepared.ended)
        self._cameras.apply(prepared)
        self._config = config
        gone = sorted(before - set(self._cameras.locations))
        self._judging.use(config.verdict.grace_s, self._cameras.locations)
        self._evidence.use(config.evidence)
        self._harvesting.use(config.harvest)
        self._recorder.use(config.verdict.valid_for_s)
        self._expected.use(frozenset(self._cameras.locations))
        self._announcer.forget_others(config)
        self._session.use(subscriptions(config, self._topics, self._cameras.locations))
        self._announcer.introduce(config, gone)
        self._announcer.say_all()
        self._delivery.wake()
        log.warning("the configuration was read again: %d locations", len(self._cameras.locations))

    def _looked_after(self) -> Care:
        """What looks after the agent's threads, and shows its metrics."""
        self._metrics.registry.register(
            Present(self._recorder.states, self._outbox.depth, lambda: self._session.connected)
        )
        pulses = {"agent": self._pulse, "delivery": self._delivery.pulse}
        alive = {"mqtt": lambda: self._session.is_alive, "outbox": lambda: self._outbox.is_alive}
        return Care(self._config.health, Vitals(pulses, alive, STUCK_S), self._metrics.registry)

    def _loop(self) -> None:
        while self._cameras.running:
            self._pulse.beat()
            items = self._next_items()
            if None in items:
                return
            frames = [item for item in items if isinstance(item, Frame)]
            if frames:
                self._look(frames)
            for item in sorted(items, key=lambda item: isinstance(item, Request | ReloadWanted)):
                self._deal_with(item)  # what may change the cameras comes last
            self._tick()
        if self._failures:
            raise KardusError(self._failures[0])

    def _deal_with(self, item: Item | None) -> None:
        """Everything but a picture's content, which has been looked at."""
        match item:
            case SignalLost():
                self._lose(item)
            case Ended():
                self._end(self._cameras[item.camera])
                self._cameras.running.discard(item.camera)
            case ExpectedMessage():
                self._expect(item)
            case Request():
                self._answer(item)
            case ReloadWanted():
                self._reload_or_say_why_not()
            case HomeAssistantOnline():
                self._announcer.introduce(self._config)
                self._delivery.wake()
        if isinstance(item, Frame | SignalLost):
            self._cameras[item.camera].last_word_s = time.monotonic()
            self._cameras[item.camera].reader.taken()

    def _next_items(self) -> list[Item | None]:
        """What has come, in order; nothing, once in a while, where nothing comes."""
        with contextlib.suppress(queue.Empty):
            return [self._inbox.get(timeout=TICK_S), *self._waiting()]
        return []

    def _waiting(self) -> list[Item | None]:
        """What has come by now."""
        items: list[Item | None] = []
        with contextlib.suppress(queue.Empty):
            while True:
                items.append(self._inbox.get_nowait())
        return items

    def _drop(self, cameras: Collection[str]) -> None:
        """Forget what the former readers of these cameras have handed over."""
        for item in self._waiting():
            if not (isinstance(item, Frame | SignalLost | Ended) and item.camera in cameras):
                self._inbox.put(item)

    def _look(self, frames: Sequence[Frame]) -> None:
        """Pictures of several cameras, to the disk."""
        with self._metrics.cycle_s.time():
            looked = self._line.look(frames, self._recorder.is_due)
            for camera in looked.good:
                self._report_health(camera, "ok", "")
            for lost, status in looked.lost:
                self._lose(lost, status)
            self._record(looked.findings)
            for camera in looked.good:
                self._harvesting.sample(camera.watch, looked.changed, time.monotonic())
        self._care.ready()

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
        return [self._judging.judge(self._cameras.watching(name).watch, name) for name in sorted(locations)]

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
        self._announcer.say_online(connection)
        self._delivery.wake()

    def _on_message(self, message: Incoming) -> None:
        location, command = location_of(message.topic), self._topics.command_of(message.topic)
        if location is not None:
            self._inbox.put(ExpectedMessage(location, message.payload))
        elif command is not None:
            self._inbox.put(
                Request(command, message.payload, message.retained, message.response_topic, message.correlation)
            )
        elif message.payload == ONLINE:  # the one other topic that is subscribed to
            self._inbox.put(HomeAssistantOnline())

    def _answer(self, request: Request) -> None:
        """Carry out a command; whoever has sent it is told over the present connection, or not at all."""
        found = answer(request, self._desk.handlers)
        name = request.name if request.name in self._desk.handlers else "unknown"
        self._metrics.commands.labels(name, "done" if found.reply.ok else "refused").inc()
        self._delivery.wake()
        self._announcer.reply(found)

    def _report_coverage(self) -> Coverage:
        coverage = self._recorder.record_coverage(self._cameras.locations, self._today)
        self._delivery.wake()
        return coverage

    def _on_event(self, event_id: str, finding: Finding) -> Pictures:
        """Count an event, and keep its evidence, from the camera's last good picture; and a doubt for training."""
        self._metrics.events.labels(finding.verdict).inc()
        self._harvesting.doubt(self._cameras[finding.camera].watch, finding, time.monotonic())
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
