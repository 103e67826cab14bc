"""The agent: starts, runs and stops what is around the pipeline. Data goes one way, and no stage knows another.

    camera ─> frame ─> view check ─> slots ─> gate ─> classifier ─> votes ─> verdict ─> outbox ─> delivery ─> MQTT
    (a thread `------- seeing: one view a camera -----'  (one batch   `--- deciding ---'  (one        (a thread)
     a camera)                                            for all)     expected stock ─┘   transaction)

Everything between reader and outbox happens in the thread that calls `Agent.run`; `pipeline.py` is its inner part.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.archive.evidence import Evidence
from edge_agent.archive.harvesting import Harvesting
from edge_agent.archive.recording import ExpectedChange, Recording, RecordingScope
from edge_agent.cameras import Cameras
from edge_agent.codes.code_watch import CodeWatch
from edge_agent.codes.reader import CodesRead
from edge_agent.commanding import CommandTargets, build_command_dispatcher
from edge_agent.config import Config, data_folder, load_config
from edge_agent.config.data_folder import EVIDENCE_FOLDER, EXPECTED_FILE, MODELS_FOLDER, RECORDING_FOLDER, DataFolder
from edge_agent.config.layout_files import LayoutRevision
from edge_agent.control.command_dispatcher import CommandDispatcher
from edge_agent.control.commands import CommandRequest
from edge_agent.control.expected import ExpectedStore
from edge_agent.control.input_queue import InputQueue
from edge_agent.control.reload import require_reloadable
from edge_agent.control.router import Input, MessageRouter, agent_session, agent_subscriptions
from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.deciding.recorder import WITHOUT_PICTURES, Recorder
from edge_agent.health.metrics import CertificateCollector, Metrics, StateCollector
from edge_agent.health.monitor import HealthMonitor
from edge_agent.models.manager import ModelManager, ModelUsers, no_model_to_change
from edge_agent.models.no_model import NO_MODEL_NAME, NoModel
from edge_agent.models.rollout import ModelRollout
from edge_agent.models.updates import IntakeProgress, IntakeResult, RefusedBundle, UpdateRequest, VerifiedBundle
from edge_agent.models.watch_folder import WatchFolder
from edge_agent.pipeline import TICK_S, Pipeline
from edge_agent.records import (
    NO_PICTURES,
    EventPictures,
    ExpectedMessage,
    Finding,
    Frame,
    HomeAssistantOnline,
    ReloadWanted,
    SignalLost,
    SourceEnded,
)
from edge_agent.reporting.delivery import Delivery
from edge_agent.reporting.losses import LossReporter
from edge_agent.reporting.storage import Storage, open_outbox
from edge_agent.seeing.kept_colours import KeptColours
from edge_agent.self_report import SelfReport
from kardus.contract.messages import Model
from kardus.contract.topics import Topics
from kardus.inference.classifier import Classifier
from kardus.mqtt.connection import Handlers
from kardus.mqtt.reasons import Ending
from kardus.support.chores import Chores
from kardus.support.clock import SYSTEM_CLOCK
from kardus.support.errors import BundleError, KardusError
from kardus.support.vitals import Heartbeat, Vitals

AgentInput = Frame | SignalLost | SourceEnded | Input | ReloadWanted | UpdateRequest | IntakeResult | CodesRead
"""What comes to the agent's thread from all the others."""
log = logging.getLogger("kardus.agent")


class Agent:
    """One camera box: some cameras, one model, one outbox, one broker."""

    def __init__(self, config: Config, path: Path | None = None) -> None:
        """Open everything that must be there; cameras and broker may come later. `path` is read at a reload.

        Raises:
            KardusError: the model, the data folder or the configuration is not usable.
        """
        self._config, self._path, self._gone = config, path, set[str]()
        self._inputs: InputQueue[AgentInput] = InputQueue()
        self._folder, self._failures = DataFolder(config), list[str]()
        data = self._folder.path
        self._cameras = Cameras(config, self._inputs.put, colours=KeptColours(data / data_folder.COLOURS_FOLDER))
        with self._cameras.connecting():
            models = ModelRollout(config.model, data / MODELS_FOLDER, self._inputs.put) if config.model else None
            self._topics = topics = Topics(config.agent.site, config.agent.name)
            self._writer = MessageWriter(topics, models.model if models else NO_MODEL_NAME, config.verdict.valid_for_s)
            self._metrics, self._heartbeat = Metrics(), Heartbeat()
            self._expected = ExpectedStore(data / EXPECTED_FILE, frozenset(self._cameras.locations))
            self._outbox = open_outbox(config)
            self._chores, self._codes = Chores(), CodeWatch(config.codes, self._inputs.put)
            self._evidence = Evidence(data / EVIDENCE_FOLDER, config.evidence, self._chores)
            self._recorder = Recorder(self._outbox, self._writer, config.verdict.valid_for_s, self._on_event)
            self._pipeline = self._build_pipeline(models)
            self._harvesting = Harvesting(
                config,
                self._expected.managed,
                self._recorder.states,
                self._pipeline.location_judge.in_grace,
                self._chores,
                on_kept=lambda reason, count: self._metrics.harvested.labels(reason).inc(count),
            )
            self._recording = Recording(
                data / RECORDING_FOLDER, self._recording_scope(config), SYSTEM_CLOCK, self._metrics.unrecorded.inc
            )
            will = self._writer.offline("connection lost", datetime.now(UTC))
            self._session = agent_session(config, topics, self._cameras.locations, will)
            self._report = SelfReport(self._session, self._writer, self._recorder, self._cameras, self._outbox)
            self._report.forget_others(config.homeassistant)
            self._models = self._model_manager(models, config.model.watch_folder) if models and config.model else None
            self._dispatcher = self._command_dispatcher()
            self._delivery = Delivery(self._outbox, self._session, on_refused_ack=self._metrics.acks_refused.inc)
            self._losses = LossReporter(self._outbox, self._writer.lost)
            self._storage = Storage(self._outbox, self._report_trouble, self._decide_again)
            self._monitor = self._health_monitor()

    def request_reload(self) -> None:
        """Ask for the configuration to be read again. May be called from a signal handler or any thread."""
        self._inputs.put(ReloadWanted())

    def stop(self) -> None:
        """Ask `run` to end. May be called from a signal handler."""
        self._inputs.put(None)

    def run(self) -> None:
        """Look, judge and publish until `stop` is called or every source has ended.

        Raises:
            ConfigError: a location lies outside the first picture of its camera.
            KardusError: the outbox can't be written, or a source that ends gave no picture at all.
        """
        router = MessageRouter(self._topics, self._inputs.put, self._delivery.confirmed, self._metrics.acks_refused.inc)
        with (
            self._cameras.connecting(),
            contextlib.ExitStack() as stops,
        ):  # all are called, the last first, if one fails
            for close in (self._folder.leave, self._expected.close, self._outbox.close):
                stops.callback(close)
            acknowledged = self._delivery.acknowledged
            self._session.start(Handlers(self._on_connect, router.route, acknowledged, self._on_connection_lost))
            stops.callback(self._delivery.finish, lambda: self._writer.offline("stopped", datetime.now(UTC)))
            self._delivery.start()
            stops.callback(self._recording.stop)
            stops.callback(self._chores.stop)
            for part in (self._monitor, self._codes):
                part.start()
                stops.callback(part.stop)
            self._report.await_broker(lambda: self._inputs.is_asked_to_end)
            self._report.publish_discovery(self._config.homeassistant)
            if self._models:
                self._models.start()
                stops.callback(self._models.stop)
            stops.callback(self._cameras.stop)
            self._cameras.begin()
            self._loop()

    def _reload(
        self, drafts: Mapping[str, LayoutRevision] | None = None, keep: Callable[[], None] = lambda: None
    ) -> int:
        """Read the configuration again, and go over to it, or change nothing; how many locations it has.

        With `drafts` in place of layouts that hold; `keep` is called once it is known that all can be used.

        Raises:
            KardusError: it is wrong, needs a restart, or names a picture or a password that can't be read.
        """
        if self._path is None:
            raise KardusError("this agent has no configuration file to read again")
        config = load_config(self._path, drafts)
        require_reloadable(self._config, config)
        prepared, before = self._cameras.prepare(config), {*self._cameras.locations}
        keep()
        if config == self._config:
            return len(before)
        self._cameras.end(prepared.ended)
        self._inputs.drop(prepared.ended)
        self._cameras.apply(prepared)
        self._config = config
        self._gone |= before - set(self._cameras.locations)
        self._pipeline.apply_settings(config)
        self._evidence.apply_settings(config.evidence)
        self._harvesting.apply_settings(config.harvest)
        self._recorder.apply_settings(config.verdict.valid_for_s)
        self._expected.set_locations(frozenset(self._cameras.locations))
        self._recording.apply_settings(self._recording_scope(config))
        self._session.use(agent_subscriptions(config, self._topics, self._cameras.locations))
        with self._storage.guard():  # what a full disk doesn't take is told once it does
            self._announce_cameras()
        log.warning("the configuration was read again: %d locations", len(self._cameras.locations))
        return len(self._cameras.locations)

    def _build_pipeline(self, models: ModelRollout | None) -> Pipeline:
        """What judges; session and delivery are made later."""
        return Pipeline(
            self._cameras,
            models.classifier if models else NoModel(),
            self._expected,
            self._recorder,
            metrics=self._metrics,
            grace_s=self._config.verdict.grace_s,
            clock=SYSTEM_CLOCK,
            is_late=lambda: not self._session.online.is_set(),
            heartbeat=self._heartbeat,
            doubt_s=self._config.view.doubt_s,
            refresh_s=self._config.gate.refresh_s,
            codes=self._codes,
        )

    def _model_manager(self, rollout: ModelRollout, folder: Path | None) -> ModelManager:
        self._show_model(rollout.classifier, rollout.model)
        users = ModelUsers(
            expected_skus=lambda: {e.sku for e in self._expected.everything.values() if e.managed and e.sku},
            slot_count=lambda: sum(len(camera.view.slots) for camera in self._cameras.values()),
            compare=lambda: self._pipeline.compare(rollout.show),
            use=self._use_model,
            publish=lambda status: self._recorder.record_retained(*self._writer.model_status(status)),
            count_phase=lambda phase: self._metrics.model_phases.labels(phase).inc(),
        )
        return ModelManager(rollout, users, WatchFolder(folder, self._inputs.put) if folder else None)

    def _use_model(self, classifier: Classifier, model: Model) -> None:
        self._pipeline.use_model(classifier)
        self._show_model(classifier, model)
        self._report.publish_status()

    def _show_model(self, classifier: Classifier, model: Model) -> None:
        runs_on = classifier.runs_on
        self._writer.use_model(model, str(runs_on))
        self._metrics.show_model(model.name, model.version, runs_on.shares, runs_on.arithmetic)

    def _command_dispatcher(self) -> CommandDispatcher:
        return build_command_dispatcher(
            CommandTargets(
                data_dir=self._folder.path,
                cameras=self._cameras,
                pipeline=self._pipeline,
                recorder=self._recorder,
                report=self._report,
                evidence=self._evidence,
                outbox=self._outbox,
                codes=self._codes,
                metrics=self._metrics,
                change_model=self._models.command if self._models else no_model_to_change,
                reload=self._reload,
            )
        )

    def _health_monitor(self) -> HealthMonitor:
        self._metrics.registry.register(
            StateCollector(self._recorder.states, self._outbox, lambda: self._session.connected, self._cameras.resting)
        )
        self._metrics.registry.register(CertificateCollector(self._config.mqtt.certificate_file))
        heartbeats = {"agent": self._heartbeat, "delivery": self._delivery.heartbeat}
        alive = {"mqtt": lambda: self._session.is_alive, "outbox": lambda: self._outbox.is_alive}
        alive |= {"recording": lambda: self._recording.is_alive, "chores": lambda: self._chores.is_alive}
        alive |= {"codes": lambda: self._codes.is_alive}
        return HealthMonitor(self._config.health, Vitals(heartbeats, alive), self._metrics.registry)

    def _loop(self) -> None:
        while self._cameras.running:
            self._heartbeat.beat()
            items = self._inputs.take(TICK_S)
            if None in items:
                return
            if frames := [item for item in items if isinstance(item, Frame)]:
                with self._storage.guard():
                    self._process(frames)
            for item in sorted(items, key=lambda item: isinstance(item, CommandRequest | ReloadWanted)):
                with self._storage.guard():
                    self._deal_with(item)  # what may change the cameras comes last
                self._taken(item)
                self._heartbeat.step()
            with self._storage.guard():
                self._tick()
            self._storage.tick()
        if self._failures:
            raise KardusError(self._failures[0])

    def _deal_with(self, item: AgentInput | None) -> None:
        """Everything but a picture's content, which has been looked at."""
        match item:
            case SignalLost():
                self._recording.take(item)
                self._pipeline.signal_lost(item)
            case SourceEnded():
                self._failures += self._pipeline.end(item.camera)
            case ExpectedMessage():
                self._expect(item)
            case CommandRequest():
                self._dispatcher.dispatch(item)
            case ReloadWanted():
                self._try_reload()
            case UpdateRequest() | VerifiedBundle() | RefusedBundle() | IntakeProgress():
                if self._models:
                    self._models.take(item)
            case CodesRead():
                self._pipeline.take_codes_read(item)
            case HomeAssistantOnline():
                self._report.publish_discovery(self._config.homeassistant)

    def _try_reload(self) -> None:
        try:
            self._reload()
        except KardusError as error:
            log.error("the configuration stays as it was: %s", error)  # noqa: TRY400

    def _taken(self, item: AgentInput | None) -> None:
        """Let a camera's reader go on."""
        if isinstance(item, Frame | SignalLost):
            camera = self._cameras[item.camera]
            camera.last_word_s = time.monotonic()
            camera.reader.taken(camera.attention)

    def _process(self, frames: Sequence[Frame]) -> None:
        """Frames of several cameras, to the disk."""
        with self._metrics.cycle_s.time():
            if self._config.recording.max_mb:
                for frame in frames:
                    self._recording.take(frame)
            try:
                processed = self._pipeline.process(frames)
            except BundleError as error:
                if not (self._models and self._models.failed(error)):
                    raise
                return  # the former model judges the next frames
            if self._config.harvest.sample:
                for camera in processed.good:
                    told = (name for name in camera.locations if not camera.votes.is_busy(name))
                    self._harvesting.sample(told, processed.changed, camera.location_view, time.monotonic())
        self._monitor.is_ready.set()

    def _tick(self) -> None:
        """What doesn't come by itself: silent cameras, grace that is over, the end of a day."""
        for name in self._cameras.silent(time.monotonic()):
            lost = SignalLost(name, datetime.now(UTC), "its reader hangs: neither picture nor error")
            self._recording.take(lost)
            self._pipeline.signal_lost(lost)
        if self._models:
            self._models.tick()
        self._pipeline.tick()
        self._losses.tick()
        self._report.tick()
        self._chores.tick()

    def _expect(self, message: ExpectedMessage) -> None:
        self._pipeline.expect(message)
        if (told := self._expected.latest_message(message.location)) is not None:
            self._recording.take(ExpectedChange(message.location, told))

    def _recording_scope(self, config: Config) -> RecordingScope:
        live = {name: camera.reader.live for name, camera in self._cameras.items()}
        return RecordingScope.of(config.recording, live, self._expected.everything)

    def _on_connect(self, connection: int) -> None:
        self._metrics.connections.inc()
        self._report.publish_status(connection)
        self._delivery.wake()

    def _on_connection_lost(self, connection: int, ending: Ending) -> None:
        self._metrics.connections_lost.labels(ending.name).inc()
        self._delivery.lost(connection, ending)

    def _report_trouble(self) -> None:
        """The WMS side is told over the present connection, since nothing can be stored, or can again."""
        self._report.trouble = self._storage.reason
        self._metrics.storage_ok.set(not self._storage.reason)
        self._report.publish_status()

    def _decide_again(self) -> None:
        """What was decided while nothing could be stored is decided and told again."""
        self._pipeline.restart()
        self._announce_cameras()

    def _announce_cameras(self) -> None:
        """Cameras and locations, and which have gone since that was told."""
        home = self._config.homeassistant
        self._report.forget_others(home)
        self._report.publish_discovery(home, sorted(self._gone - set(self._cameras.locations)))
        self._report.publish_health()
        self._gone.clear()

    def _on_event(self, event_id: str, finding: Finding) -> EventPictures:
        """Count an event, and keep its evidence, from the camera's last good picture; and a doubt for training."""
        self._metrics.events.labels(finding.verdict).inc()
        if finding.verdict in WITHOUT_PICTURES:
            return NO_PICTURES
        camera = self._cameras[finding.camera]
        shown = camera.view.location_view(camera.votes.slots_of(finding.location))
        if self._config.harvest.max_mb:
            self._harvesting.doubt(finding, shown, time.monotonic())
        if shown is None or not self._config.evidence.max_mb:
            return NO_PICTURES
        crop = self._evidence.keep(event_id, shown.picture, shown.facings, finding.facing)
        return EventPictures(kept=self._evidence.works, publish=crop if self._config.evidence.publish else b"")
