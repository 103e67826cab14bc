"""From the pictures of all cameras, and what the WMS says, to what is written down: for the agent and for a replay.

    frames -> view check -> slots -> change gate -> crops -> one batch -> votes -> verdict -> recorder
    `------------ seeing (one view a camera) -----------'  classifier   `------- deciding -------'

Knows neither threads nor the network.
"""

import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_agent.cameras import STAYING, Camera, Cameras
from edge_agent.codes.cartons import CartonRead
from edge_agent.codes.code_watch import CodeWatch
from edge_agent.codes.rack_watch import RackRead
from edge_agent.codes.reader import CodesRead
from edge_agent.config import Config
from edge_agent.config.sections import CodesSection
from edge_agent.control.expected import ExpectedStore
from edge_agent.deciding.corrections import Correction
from edge_agent.deciding.judging import LocationJudge
from edge_agent.deciding.recorder import Recorder
from edge_agent.deciding.verdict import ViewDoubts
from edge_agent.health.metrics import Metrics
from edge_agent.records import ClassifiedCrops, ExpectedMessage, Finding, Frame, SignalLost, SlotObservations
from edge_agent.seeing.colour_complaints import NO_COLOUR
from kardus.contract.commands import Correct
from kardus.contract.messages import LocationState, Status
from kardus.contract.verdicts import Verdict
from kardus.inference.classification import Classification, CropClassifier
from kardus.inference.classifier import classify_in_portions
from kardus.inference.part_decoded import BrokenPictureError, whole_of
from kardus.support.clock import Clock
from kardus.support.errors import ConfigError, KardusError
from kardus.support.vitals import Heartbeat

TICK_S = 1.0
"""How often what doesn't come by itself is looked after."""
NOT_LAID_OUT = "it has no locations yet: lay it out on the page, or add [[cameras.locations]]"
"""The health of a camera that waits to be commissioned."""
log = logging.getLogger("kardus.agent")


@dataclass
class FramesOutcome:
    """What some frames came to."""

    good: list[Camera] = field(default_factory=list)
    """Cameras whose picture can be trusted."""
    changed: set[str] = field(default_factory=set)
    """Locations that show other stock than when they were last classified."""


class Pipeline:
    """Owned by one thread."""

    def __init__(
        self,
        cameras: Cameras,
        classifier: CropClassifier,
        expected: ExpectedStore,
        recorder: Recorder,
        *,
        metrics: Metrics,
        grace_s: float,
        clock: Clock,
        is_late: Callable[[], bool],
        heartbeat: Heartbeat | None = None,
        doubt_s: float = 24.0,
        refresh_s: float = 300.0,
        codes: CodeWatch | None = None,
    ) -> None:
        """Keep the parts that it uses.

        Args:
            cameras: with what they see.
            classifier: the model that judges.
            expected: what the WMS expects.
            recorder: writes down what is found.
            metrics: counts.
            grace_s: for so long after a new expectation nothing is an alert.
            clock: what time it is.
            is_late: whether the broker is away.
            heartbeat: beats while the pictures of many locations are worked on.
            doubt_s: for so long a view is doubted in which half of the locations turn to an alert at once.
            refresh_s: what turns within so long turns at once.
            codes: has printed codes read; None: nobody does, as in a replay.
        """
        self._codes = codes or CodeWatch(CodesSection())
        self._heartbeat = heartbeat or Heartbeat()
        self._cameras = cameras
        self._expected = expected
        self._recorder = recorder
        self._metrics, self._clock, self._is_late = metrics, clock, is_late
        self._show: Callable[[ClassifiedCrops], None] | None = None  # while another model answers too
        self._states = recorder.states
        self.location_judge = LocationJudge(expected.managed, self._states, grace_s, clock)
        self._doubts = ViewDoubts(self._states, doubt_s, refresh_s, clock)
        self._was_reloaded = False
        self._set_classifier(classifier)

    def apply_settings(self, config: Config) -> None:
        """Take a reloaded configuration, perhaps with other cameras and locations."""
        self.location_judge.apply_settings(config.verdict.grace_s, self._cameras.locations)
        self._doubts.apply_settings(config.view.doubt_s, config.gate.refresh_s)
        self._doubts.keep({name: camera.locations for name, camera in self._cameras.items()})
        self._was_reloaded = True
        self._codes.apply_settings(config.codes)

    @property
    def waits(self) -> bool:
        """Whether a grace period or the doubt of a view is running, which ends by time alone."""
        return bool(self.location_judge.in_grace or self._doubts.doubted)

    def process(self, frames: Sequence[Frame]) -> FramesOutcome:
        """Frames of several cameras, to the disk; what they came to.

        Raises:
            ConfigError: a location lies outside the first picture of its camera; after a reload, which must not end
                what goes well, that camera alone is lost.
            BundleError: the model fails at work; nothing was judged.
            KardusError: the outbox can't be written.
        """
        processed, lost = FramesOutcome(), []
        observations: list[tuple[Camera, SlotObservations]] = []
        for number, frame in enumerate(frames):
            if number:
                self._heartbeat.beat(f"{number} of {len(frames)} cameras' pictures are cut up")
            camera = self._cameras[frame.camera]
            seen = self._see(camera, frame)
            if isinstance(seen, SlotObservations):
                observations.append((camera, seen))
                processed.good.append(camera)
            elif seen is not None:
                lost.append(seen)
        findings = self._judge(observations, self._classify(observations), processed)
        for camera in [camera for camera in processed.good if camera.view.is_unproven_grey]:
            findings = self._weigh_grey(camera, findings, processed, lost)
        for camera in processed.good:
            if camera.status != "ok" or camera.reason:
                self.report_health(camera, "ok", "")
        for signal, status in lost:
            self.signal_lost(signal, status)
        self._record(findings)
        return processed

    def compare(self, show: Callable[[ClassifiedCrops], None]) -> None:
        """Let another model answer beside the one in use, on everything that there is, until a model is used."""
        self._show = show
        for camera in self._cameras.values():
            for location in camera.locations:
                camera.votes.schedule_classification(location)

    def use_model(self, classifier: CropClassifier) -> None:
        """Another model judges from now on; what the former one has said doesn't count any more."""
        self._set_classifier(classifier)
        self._show = None
        for camera in self._cameras.values():
            camera.votes.clear()
            camera.votes.vote_anew()

    def restart(self) -> None:
        """Vote anew on every location, with pictures that are asked for at once."""
        for camera in self._cameras.values():
            camera.start_over()

    def end(self, name: str) -> list[str]:
        """A folder, video or script has been played; what is wrong where it gave no picture at all."""
        camera = self._cameras[name]
        self._cameras.running.discard(name)
        self._record(self._doubts.over(name))
        if not camera.has_picture:
            return [f"camera '{name}' gave no picture: {camera.reason or 'its source is empty'}"]
        self.report_health(camera, "ended", "the source has no more pictures")
        return []

    def signal_lost(self, lost: SignalLost, status: Status = "lost") -> None:
        """No picture to trust: every location of the camera becomes stale, and old votes don't count any more."""
        camera = self._cameras[lost.camera]
        camera.view.signal_lost()
        camera.votes.signal_lost()
        self._doubts.signal_lost(camera.name)
        self._metrics.lost.labels(camera.name).inc()
        self.report_health(camera, status, lost.reason)
        self._record(
            [
                Finding(location, Verdict.STALE, lost.camera, lost.captured, reason=lost.reason)
                for location in camera.locations
            ]
        )

    def expect(self, message: ExpectedMessage) -> str:
        """The WMS has spoken: judge the last votes again, and classify again. Returns what was wrong, or nothing."""
        problem = self._expected.apply(message.location, message.payload)
        if problem:
            self._metrics.expected_refused.inc()
            log.warning("expected stock of %s refused: %s", message.location, problem)
            return problem
        for camera in self._cameras.values():
            if message.location in camera.locations:
                camera.votes.schedule_classification(message.location)
                camera.reader.attend("wanted")
                self._record([self._finding(camera, message.location)])
        return ""

    def take_codes_read(self, read: CodesRead) -> None:
        """What printed codes say."""
        if isinstance(read, CartonRead):
            self._take_carton_read(read)
        elif isinstance(read, RackRead):
            read.watch.take(read)
            for camera in (camera for camera in self._cameras.values() if camera.rack is read.watch):
                self._metrics.rack_checks.labels(camera.name, read.outcome).inc()

    def _take_carton_read(self, read: CartonRead) -> None:
        self._metrics.cartons_read.labels("named" if read.witness else "nothing").inc()
        if read.witness is None or read.camera not in self._cameras:
            return
        seen_by = self._cameras[read.camera]
        location = seen_by.votes.add_code_witness(read.slot, read.content, read.witness)
        if location is not None:
            self._record([self._finding(seen_by, location)])

    def correct(self, said: Correct) -> LocationState:
        """Somebody says what stands at a location; what it comes to.

        Raises:
            UnknownLocationError: no camera sees it.
            KardusError: something else may stand there by now; or the outbox can't be written.
        """
        camera = self._cameras.watching(said.location)
        if said.location not in self._states:
            raise KardusError(f"location '{said.location}' has no verdict yet: wait for it")
        camera.votes.correct(said.location, Correction(said.truth, said.sku, said.by), said.captured)
        self._record([self._finding(camera, said.location)])
        return self._states[said.location]

    def tick(self) -> None:
        """What time alone brings: grace and doubts that are over, and another classification while there is a doubt."""
        for camera in self._cameras.values():
            camera.prove_colours(self._states)
        if self.location_judge.in_grace:
            self._record(self._judge_again(self.location_judge.in_grace))
        for name, locations in self._doubts.due_for_another_vote().items():
            camera = self._cameras[name]
            for location in locations:
                camera.votes.schedule_classification(location)
            camera.reader.hurry()
        over = [finding.location for finding in self._doubts.over()]
        if over:
            self._record(self._judge_again(over))

    def report_health(self, camera: Camera, status: Status, reason: str) -> None:
        """Tell how a camera is, where that is news."""
        if (camera.status, camera.reason) == (status, reason):
            return
        level = logging.INFO if status in ("ok", "ended") else logging.WARNING
        is_news = camera.status != status or status in ("lost", "ok")
        if not (camera.status in STAYING and status in STAYING):  # a night flickers between dark and blurred
            camera.since_s = camera.newest.at_s if camera.newest else float("inf")
        camera.status, camera.reason = status, reason
        if not is_news:
            return  # the same problem in other numbers
        camera.since = self._clock.now()
        self._metrics.camera_ok.labels(camera.name).set(status == "ok")
        log.log(level, "camera %s: %s %s", camera.name, status, reason)
        self._recorder.record_health(camera.health(status))

    def _set_classifier(self, classifier: CropClassifier) -> None:
        self.classifier, self._size_px = classifier, classifier.size_px
        self._codes.set_classes(classifier.classes)

    def _see(self, camera: Camera, frame: Frame) -> SlotObservations | tuple[SignalLost, Status] | None:
        """What a frame shows; that its camera's view is lost, and how; None: nothing that counts."""
        camera.newest, camera.has_picture = frame, True
        try:
            return self._see_frame(camera, frame)
        except BrokenPictureError as error:
            return SignalLost(frame.camera, frame.captured, str(error)), "lost"

    def _see_frame(self, camera: Camera, frame: Frame) -> SlotObservations | tuple[SignalLost, Status] | None:
        """As `_see`; raises BrokenPictureError where only half of the picture could be decoded."""
        if not camera.view.slots:
            self.report_health(camera, "ok", NOT_LAID_OUT)
            return None
        misfit, outside = camera.view.other_shape(frame.given.size), camera.view.outside(frame.given.size)
        if outside and not misfit and camera.status is None and not self._was_reloaded:
            raise ConfigError(f"camera '{frame.camera}': {outside}")
        if misfit or outside:
            return SignalLost(frame.camera, frame.captured, misfit or outside), "lost"
        self._metrics.frames.labels(frame.camera).inc()
        wanted = camera.votes.scheduled_slots
        camera.view.cut_ahead(frame, wanted, self._size_px)
        view = camera.view.check(frame)
        if view.problem:
            self._metrics.refused.labels(frame.camera, view.problem).inc()
            lost = SignalLost(frame.camera, frame.captured, f"{view.problem}: {view.reason}")
            return (lost, view.problem) if camera.view.is_lost else None
        if view.repeated:
            return None  # no second vote for what was seen: it may be frozen
        if frame.at_s >= camera.rack.rests_until_s:
            self._codes.read_rack_labels(camera.rack, frame, lambda: camera.view.outlines(frame.picture, view.motion))
        if camera.rack.contradiction:
            return SignalLost(frame.camera, frame.captured, f"other rack: {camera.rack.contradiction}"), "other rack"
        observed = camera.view.see(frame, view, wanted, self._size_px)
        if observed.correction is not None:
            self._metrics.corrected.labels(frame.camera).inc()
        self._metrics.at_rest.inc(len(observed.activities) - len(observed.chosen))
        return observed

    def _weigh_grey(
        self,
        camera: Camera,
        findings: list[Finding | None],
        processed: FramesOutcome,
        lost: list[tuple[SignalLost, Status]],
    ) -> list[Finding | None]:
        """A view that was never seen in colours is doubted where its stock isn't recognised."""
        own = [finding for finding in findings if finding and finding.camera == camera.name]
        if not self._doubts.is_first_word_wrong(camera.name, own, len(camera.locations)):
            return findings
        camera.view.deny_colours()
        processed.good.remove(camera)
        lost.append((SignalLost(camera.name, camera.view.last_capture, f"no colour: {NO_COLOUR}"), "no colour"))
        return [finding for finding in findings if finding and finding.camera != camera.name]

    def _classify(self, observations: Sequence[tuple[Camera, SlotObservations]]) -> list[Classification]:
        crops = [observed.crops for _, observed in observations if observed.chosen]
        if not crops:
            return []
        with self._metrics.classify_s.time():
            answers = classify_in_portions(self.classifier, np.concatenate(crops), self._heartbeat.beat)
        self._metrics.classified.inc(len(answers))
        return answers

    def _judge(
        self,
        observations: Sequence[tuple[Camera, SlotObservations]],
        answers: Sequence[Classification],
        processed: FramesOutcome,
    ) -> list[Finding | None]:
        """Count the votes, and judge the locations that may have changed, or whose state is to be told again."""
        findings: list[Finding | None] = []
        due, remaining = self._recorder.due(), iter(answers)
        for camera, observed in observations:
            own = list(itertools.islice(remaining, len(observed.chosen)))
            touched, changed = camera.votes.take(observed, own)
            if observed.chosen and self._codes.reads_cartons:
                self._codes.read_carton_codes(camera.name, observed, camera.votes.to_be_read)
            processed.changed |= changed
            told = touched | due
            findings += [
                self._finding(camera, location)
                for location in camera.votes.locations
                if location in told or location not in self._states
            ]
            if own and self._show:
                self._show(self._classified_crops(camera, observed, own))
        return findings

    def _classified_crops(
        self, camera: Camera, observed: SlotObservations, answers: list[Classification]
    ) -> ClassifiedCrops:
        known = [self._expected.managed.get(camera.view.slots[index].location) for index in observed.chosen]
        expected = [expectation.expected if expectation else None for expectation in known]
        return ClassifiedCrops(whole_of(observed.picture), observed.corners, answers, expected, observed.correction)

    def _finding(self, camera: Camera, location: str) -> Finding | None:
        return self.location_judge.finding(camera.votes, location, camera.name, camera.view.last_capture)

    def _doubt(self, name: str) -> None:
        """A camera's view is doubted: only what is seen from now on counts."""
        log.warning("camera %s: half of its locations turned to an alert at once: looking again first", name)
        self._metrics.doubts.labels(name).inc()
        self._cameras[name].start_over()

    def _judge_again(self, locations: Iterable[str]) -> list[Finding | None]:
        """Locations of whatever camera."""
        return [self._finding(self._cameras.watching(location), location) for location in sorted(locations)]

    def _record(self, findings: Sequence[Finding | None]) -> None:
        """Write events and states to the outbox in one transaction, then let them be delivered."""
        told = [finding for finding in findings if finding]
        if not told:
            return
        told = self._doubts.weigh(told, self._doubt)
        affected = self._recorder.affected_locations(told)
        if affected:
            told += self._doubts.weigh([found for found in self._judge_again(affected) if found], self._doubt)
        self._recorder.record(told, historical=self._is_late(), beat=self._heartbeat.beat)
