"""From the pictures of all cameras to findings: check, cut, classify together, judge. Belongs to the wiring."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_agent.cameras import Camera, Cameras
from edge_agent.deciding.events import Finding
from edge_agent.deciding.judging import Judging
from edge_agent.health.metrics import Metrics
from edge_agent.models.looker import Looker
from edge_agent.models.shadow import Seen
from edge_agent.records import Frame, SignalLost
from edge_agent.seeing.slots import outside
from edge_agent.seeing.watch import Look
from kardus.contract.messages import Status
from kardus.inference.classification import Classification
from kardus.inference.preprocess import Pixels
from kardus.support.errors import ConfigError


@dataclass
class Looked:
    """What some pictures came to."""

    findings: list[Finding | None] = field(default_factory=list)
    good: list[Camera] = field(default_factory=list)
    """Cameras whose picture can be trusted."""
    changed: set[str] = field(default_factory=set)
    """Locations that show other stock than when they were last looked at."""
    lost: list[tuple[SignalLost, Status]] = field(default_factory=list)
    """Those whose view is lost, and how."""


class Line:
    """Owned by the agent's thread."""

    def __init__(
        self,
        cameras: Cameras,
        classifier: Looker,
        judging: Judging,
        metrics: Metrics,
        show: Callable[[Seen], None] = lambda _: None,
    ) -> None:
        """Keep whom to ask; `show` gets what was classified, for another model to look at."""
        self._show = show
        self._cameras = cameras
        self._classifier = classifier
        self._judging = judging
        self._metrics = metrics

    def look(self, frames: Sequence[Frame], is_due: Callable[[str], bool]) -> Looked:
        """Look at pictures of several cameras; `is_due` says whether a location's state has to be told again.

        Raises:
            ConfigError: a location lies outside the first picture of its camera.
            BundleError: the model fails at work; nothing was judged.
        """
        looked = Looked()
        asked = [(self._cameras[frame.camera], look) for frame in frames if (look := self._prepare(frame, looked))]
        crops = [look.crops for _, look in asked if len(look.crops)]
        seen = iter(self._classify(np.concatenate(crops)) if crops else ())
        for camera, look in asked:
            expected = {name: self._judging.expected_at(name) for name in camera.watch.locations}
            standing = {name: verdict for name in expected if (verdict := self._judging.standing(name))}
            answers = list(itertools.islice(seen, len(look.slots)))
            locations = [camera.watch.slots[index].location for index in look.slots]
            self._show(Seen(look.frame, look.corners, answers, [expected[name] for name in locations]))
            camera.watch.take(look, answers, expected, standing)
            looked.changed |= look.changed
            told = [name for name in camera.watch.locations if name in look.touched or is_due(name)]
            looked.findings += [self._judging.judge(camera.watch, name) for name in told]
        return looked

    def use(self, classifier: Looker) -> None:
        """Another model judges from now on; what the former one has said doesn't count any more."""
        self._classifier = classifier
        for camera in self._cameras.values():
            camera.watch.look_again()

    def _classify(self, crops: Pixels) -> list[Classification]:
        with self._metrics.classify_s.time():
            seen = self._classifier.classify(crops)
        self._metrics.classified.inc(len(seen))
        return seen

    def _prepare(self, frame: Frame, looked: Looked) -> Look | None:
        """What is to be classified of a picture; None where it can't be trusted."""
        camera = self._cameras[frame.camera]
        problem = outside(camera.watch.slots, *frame.picture.size)
        if problem and camera.status is None:
            raise ConfigError(f"camera '{frame.camera}': {problem}")
        if problem:
            looked.lost.append((SignalLost(frame.camera, frame.captured, problem), "lost"))
            return None
        camera.has_looked = True
        self._metrics.frames.labels(camera.name).inc()
        camera.watch.foresee(frame, self._classifier.size_px)
        view = camera.watch.check(frame)
        if view.problem:
            self._metrics.refused.labels(camera.name, view.problem).inc()
            if camera.watch.is_view_lost:
                lost = SignalLost(frame.camera, frame.captured, f"{view.problem}: {view.reason}")
                looked.lost.append((lost, view.problem))
            return None
        if view.repeated:
            return None  # no second look at what was seen: it may be frozen
        looked.good.append(camera)
        look = camera.watch.look(frame, view, self._classifier.size_px)
        self._metrics.at_rest.inc(len(camera.watch.slots) - len(look.slots))
        return look
