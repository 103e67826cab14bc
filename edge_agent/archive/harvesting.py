"""Which crops are kept for training, and when. Belongs to the wiring: it joins watch, judging and harvest."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from edge_agent.archive.harvest import Harvest, Proposal, crop_of
from edge_agent.config import Config
from edge_agent.config.sections import HarvestSection
from edge_agent.deciding.events import Finding
from edge_agent.deciding.judging import Judging
from edge_agent.health.metrics import Metrics
from edge_agent.seeing.watch import Watch
from kardus.contract.manifest import EMPTY_CLASS
from kardus.contract.messages import Expected, LocationState, Seen
from kardus.contract.verdicts import Verdict
from kardus.support.chores import Chores

HARVEST_FOLDER = "harvest"
DOUBTS = frozenset({Verdict.UNCERTAIN, Verdict.UNKNOWN, Verdict.MISMATCH, Verdict.UNEXPECTED, Verdict.EMPTY})
"""Verdicts whose crops a model can learn from: it was unsure, or it contradicts the WMS."""
PER_LOOK = 8
"""The most locations of one camera that are sampled from one picture, so that no look takes long; others wait."""


@dataclass
class _Place:
    """What is known of a location."""

    expected: Expected | None
    changed_s: float
    """Since when its stock and its expectation are what they are, by the caller's clock."""
    kept_s: float = -math.inf
    """When a crop of it was last kept."""
    is_new: bool = True
    """Whether its present stock was never kept."""


class Harvesting:
    """Owned by the agent's thread."""

    def __init__(
        self,
        config: Config,
        judging: Judging,
        states: Mapping[str, LocationState],
        metrics: Metrics,
        chores: Chores,
    ) -> None:
        """`states` are those that the WMS knows, kept up to date by their owner. Photos are written as chores."""
        self._chores = chores
        self._rules = config.harvest
        self._harvest = Harvest(config.agent.data_dir / HARVEST_FOLDER, config.harvest)
        self._judging = judging
        self._states = states
        self._metrics = metrics
        self._places: dict[str, _Place] = {}

    def use(self, rules: HarvestSection) -> None:
        """Other rules and limits."""
        self._rules = rules
        self._harvest.use(rules)

    def sample(self, watch: Watch, changed: Collection[str], now_s: float) -> None:
        """Keep crops of the locations of a good picture that are due, those that have waited longest first.

        Args:
            watch: of the camera, which has just looked.
            changed: locations that show other stock than before.
            now_s: on a clock that never jumps.
        """
        if not self._rules.sample:
            return
        due = [
            (place.kept_s, location)
            for location in watch.locations
            if self._is_due(place := self._follow(location, now_s, has_changed=location in changed), now_s)
            and not watch.is_busy(location)
        ]
        chosen = [location for _, location in sorted(due)[:PER_LOOK]]
        self._keep("sample", [p for location in chosen for p in self._sampled(watch, location)], now_s)

    def doubt(self, watch: Watch, finding: Finding, now_s: float) -> None:
        """Keep the crop of an event that a model can learn from: one an event.

        Not where nobody has looked, for want of a model; nor while stock may be on its way, since the WMS then expects
        what isn't there yet.
        """
        is_doubt = finding.verdict in DOUBTS and finding.seen is not None and finding.expected is not None
        if not (is_doubt and self._rules.max_mb) or finding.location in self._judging.in_grace:
            return
        expected = self._judging.expected_at(finding.location)
        self._places.setdefault(finding.location, _Place(expected, now_s))
        self._keep(
            "doubt", self._proposals(watch, finding.location, finding.verdict, finding.seen, finding.facing), now_s
        )

    def _follow(self, location: str, now_s: float, *, has_changed: bool) -> _Place:
        """What is known of a location, with what this moment says of it."""
        expected = self._judging.expected_at(location)
        place = self._places.setdefault(location, _Place(expected, now_s))
        if has_changed or _sku(place.expected) != _sku(expected):
            place.changed_s, place.is_new = now_s, True
        place.expected = expected
        return place

    def _is_due(self, place: _Place, now_s: float) -> bool:
        if place.expected is None or now_s - place.changed_s < self._rules.settle_s:
            return False
        return place.is_new or now_s - place.kept_s >= self._rules.interval_s

    def _sampled(self, watch: Watch, location: str) -> list[Proposal]:
        state = self._states.get(location)
        verdict = state.verdict if state else Verdict.UNCERTAIN
        return self._proposals(watch, location, verdict, state.seen if state else None, None)

    def _proposals(
        self, watch: Watch, location: str, verdict: Verdict, seen: Seen | None, facing: int | None
    ) -> list[Proposal]:
        """The crops of a location's facings, or of the one that is meant, from the last good picture."""
        shown, expected = watch.shown(location), self._judging.expected_at(location)
        if shown is None or expected is None:
            return []
        frame, facings = shown
        name = (seen.name or seen.sku or "") if seen else ""
        confidence = seen.confidence if seen else 0.0
        return [
            Proposal(
                location,
                number if len(facings) > 1 else None,
                watch.camera.name,
                watch.last_capture,
                EMPTY_CLASS if expected.sku is None else expected.sku,
                verdict,
                name,
                confidence,
                partial(crop_of, frame, corners),
            )
            for number, corners in enumerate(facings, start=1)
            if facing in (None, number)
        ]

    def _keep(self, reason: str, proposals: Sequence[Proposal], now_s: float) -> None:
        """Keep them; where the disk refuses, the next attempt is as far off as after a success."""
        if not proposals:
            return
        counted = self._metrics.harvested.labels(reason)
        self._chores.do(lambda: counted.inc(self._harvest.keep(proposals)))
        for location in {proposal.location for proposal in proposals}:
            self._places[location].kept_s, self._places[location].is_new = now_s, False


def _sku(expected: Expected | None) -> tuple[str | None, bool]:
    return (expected.sku if expected else None), expected is None
