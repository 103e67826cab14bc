"""From what cameras and the WMS say to what is written down: the same for the agent and for a replay.

Belongs to the wiring. Knows neither threads nor the network.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from edge_agent.cameras import Camera, Cameras
from edge_agent.control.expected import ExpectedStore
from edge_agent.deciding.events import Finding
from edge_agent.deciding.judging import Judging
from edge_agent.deciding.recorder import Recorder
from edge_agent.health.metrics import Metrics
from edge_agent.line import Line, Looked
from edge_agent.models.looker import Looker
from edge_agent.models.shadow import Seen
from edge_agent.records import ExpectedMessage, Frame, SignalLost
from kardus.contract.messages import Status
from kardus.contract.verdicts import Verdict
from kardus.support.clock import Clock

TICK_S = 1.0
"""How often what doesn't come by itself is looked after."""
log = logging.getLogger("kardus.agent")


class Deciding:
    """Owned by one thread."""

    def __init__(
        self,
        cameras: Cameras,
        classifier: Looker,
        expected: ExpectedStore,
        recorder: Recorder,
        *,
        metrics: Metrics,
        grace_s: float,
        clock: Clock,
        is_late: Callable[[], bool],
        on_stored: Callable[[], None],
        show: Callable[[Seen], None] = lambda _: None,
    ) -> None:
        """Keep whom to ask.

        Args:
            cameras: with what they see.
            classifier: the model that judges.
            expected: what the WMS expects.
            recorder: writes down what is found.
            metrics: counts.
            grace_s: for so long after a new expectation nothing is an alert.
            clock: what time it is.
            is_late: whether the broker is away.
            on_stored: called when something waits for it.
            show: gets what was classified, for another model to look at.
        """
        self._cameras = cameras
        self._expected = expected
        self._recorder = recorder
        self._metrics = metrics
        self._clock = clock
        self._is_late = is_late
        self._on_stored = on_stored
        self.judging = Judging(expected, recorder.states, grace_s, clock)
        self._line = Line(cameras, classifier, self.judging, metrics, show)

    def look(self, frames: Sequence[Frame]) -> Looked:
        """Pictures of several cameras, to the disk; what they came to.

        Raises:
            ConfigError: a location lies outside the first picture of its camera.
            BundleError: the model fails at work; nothing was judged.
            KardusError: the outbox can't be written.
        """
        looked = self._line.look(frames, self._recorder.is_due)
        for camera in looked.good:
            self.report_health(camera, "ok", "")
        for lost, status in looked.lost:
            self.lose(lost, status)
        self._record(looked.findings)
        return looked

    def use_model(self, classifier: Looker) -> None:
        """Another model judges from now on."""
        self._line.use(classifier)

    def lose(self, lost: SignalLost, status: Status = "lost") -> None:
        """No picture to trust: every location of the camera becomes stale, and old looks don't count any more."""
        camera = self._cameras[lost.camera]
        camera.watch.lose()
        self._metrics.lost.labels(camera.name).inc()
        self.report_health(camera, status, lost.reason)
        self._record(
            [
                Finding(location, Verdict.STALE, lost.camera, lost.captured, reason=lost.reason)
                for location in camera.watch.locations
            ]
        )

    def expect(self, message: ExpectedMessage) -> str:
        """The WMS has spoken: judge the last looks again, and look again. Returns what was wrong, or nothing."""
        problem = self._expected.apply(message.location, message.payload)
        if problem:
            self._metrics.expected_refused.inc()
            log.warning("expected stock of %s refused: %s", message.location, problem)
            return problem
        for camera in self._cameras.values():
            if message.location in camera.watch.locations:
                camera.watch.want(message.location)
                self._record([self.judging.judge(camera.watch, message.location)])
        return ""

    def tick(self) -> None:
        """What doesn't come by itself: grace that is over."""
        if self.judging.in_grace:
            self._record(self._judge_again(self.judging.in_grace))

    def report_health(self, camera: Camera, status: Status, reason: str) -> None:
        """Tell how a camera is, where that is news."""
        if (camera.status, camera.reason) == (status, reason):
            return
        level = logging.INFO if status in ("ok", "ended") else logging.WARNING
        is_news = camera.status != status or status == "lost"
        camera.status, camera.reason = status, reason
        if not is_news:
            return  # the same problem in other numbers
        camera.since = self._clock.now()
        self._metrics.camera_ok.labels(camera.name).set(status == "ok")
        log.log(level, "camera %s: %s %s", camera.name, status, reason)
        self._recorder.record_health(camera.health(status))
        self._on_stored()

    def _judge_again(self, locations: Iterable[str]) -> list[Finding | None]:
        """Locations of whatever camera."""
        return [self.judging.judge(self._cameras.watching(name).watch, name) for name in sorted(locations)]

    def _record(self, findings: Sequence[Finding | None]) -> None:
        """Write events and states to the outbox in one transaction, then let them be delivered."""
        told = [finding for finding in findings if finding]
        told += filter(None, self._judge_again(self._recorder.affected(told)))
        if self._recorder.record(told, historical=self._is_late()):
            self._on_stored()
