"""Which crops are kept for training, and when."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from edge_agent.archive.harvest import Harvest, HarvestedCrop, upright_jpeg
from edge_agent.config import Config
from edge_agent.config.data_folder import HARVEST_FOLDER
from edge_agent.config.sections import HarvestSection
from edge_agent.records import Expectation, Finding, LocationView
from kardus.contract.manifest import EMPTY_CLASS
from kardus.contract.messages import Expected, LocationState, Seen
from kardus.contract.verdicts import Verdict
from kardus.support.chores import Chores

DOUBTS = frozenset({Verdict.UNCERTAIN, Verdict.UNKNOWN, Verdict.MISMATCH, Verdict.UNEXPECTED, Verdict.EMPTY})
"""Verdicts whose crops a model can learn from: it was unsure, or it contradicts the WMS."""
PER_FRAME = 8
"""The most locations of one camera that are sampled from one picture, so that no frame takes long; others wait."""


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
        expected: Mapping[str, Expectation],
        states: Mapping[str, LocationState],
        in_grace: Collection[str],
        chores: Chores,
        *,
        on_kept: Callable[[str, int], None] = lambda *_: None,
    ) -> None:
        """Keep the parts that it uses.

        Args:
            config: of the agent.
            expected: what the WMS expects, kept up to date by its owner, as are the next two.
            states: those that the WMS knows.
            in_grace: locations whose stock may be on its way.
            chores: writes photos.
            on_kept: told why photos were kept (`sample`, `doubt`), and how many.
        """
        self._chores = chores
        self._rules = config.harvest
        self._harvest = Harvest(config.agent.data_dir / HARVEST_FOLDER, config.harvest)
        chores.daily(self._harvest.try_pruning)
        self._expected = expected
        self._states = states
        self._in_grace = in_grace
        self._on_kept = on_kept
        self._places: dict[str, _Place] = {}

    def apply_settings(self, rules: HarvestSection) -> None:
        """Take a reloaded `[harvest]`."""
        self._rules = rules
        self._harvest.apply_settings(rules)
        self._chores.do(self._harvest.try_pruning)

    def sample(
        self,
        locations: Iterable[str],
        changed: Collection[str],
        shown: Callable[[str], LocationView | None],
        now_s: float,
    ) -> None:
        """Keep crops of the locations of a good picture that are due, those that have waited longest first.

        Args:
            locations: those of which the picture says something.
            changed: those that show other stock than before.
            shown: gives where a location is in the picture.
            now_s: on a clock that never jumps.
        """
        if not self._rules.sample:
            return
        due = [
            (place.kept_s, location)
            for location in locations
            if self._is_due(place := self._follow(location, now_s, has_changed=location in changed), now_s)
        ]
        chosen = [location for _, location in sorted(due)[:PER_FRAME]]
        self._keep("sample", [p for location in chosen for p in self._sampled(location, shown(location))], now_s)

    def doubt(self, finding: Finding, shown: LocationView | None, now_s: float) -> None:
        """Keep the crop of an event that a model can learn from: one an event.

        Not where no model has judged; nor while stock may be on its way, since the WMS then expects what isn't there
        yet.
        """
        is_doubt = finding.verdict in DOUBTS and finding.seen is not None and finding.expected is not None
        if not (is_doubt and self._rules.max_mb) or finding.location in self._in_grace:
            return
        self._places.setdefault(finding.location, _Place(self._expected_at(finding.location), now_s))
        self._keep(
            "doubt", self._proposals(finding.location, shown, finding.verdict, finding.seen, finding.facing), now_s
        )

    def _expected_at(self, location: str) -> Expected | None:
        expectation = self._expected.get(location)
        return expectation.expected if expectation else None

    def _follow(self, location: str, now_s: float, *, has_changed: bool) -> _Place:
        """What is known of a location, with what this moment says of it."""
        expected = self._expected_at(location)
        place = self._places.setdefault(location, _Place(expected, now_s))
        if has_changed or _sku(place.expected) != _sku(expected):
            place.changed_s, place.is_new = now_s, True
        place.expected = expected
        return place

    def _is_due(self, place: _Place, now_s: float) -> bool:
        if place.expected is None or now_s - place.changed_s < self._rules.settle_s:
            return False
        return place.is_new or now_s - place.kept_s >= self._rules.interval_s

    def _sampled(self, location: str, shown: LocationView | None) -> list[HarvestedCrop]:
        state = self._states.get(location)
        verdict = state.verdict if state else Verdict.UNCERTAIN
        return self._proposals(location, shown, verdict, state.seen if state else None, None)

    def _proposals(
        self, location: str, shown: LocationView | None, verdict: Verdict, seen: Seen | None, facing: int | None
    ) -> list[HarvestedCrop]:
        """The crops of a location's facings, or of the one that is meant, from the last good picture."""
        expected = self._expected_at(location)
        if shown is None or expected is None:
            return []
        name = (seen.name or seen.sku or "") if seen else ""
        return [
            HarvestedCrop(
                location,
                number if len(shown.facings) > 1 else None,
                shown.camera,
                shown.captured,
                EMPTY_CLASS if expected.sku is None else expected.sku,
                verdict,
                name,
                seen.confidence if seen else 0.0,
                partial(upright_jpeg, shown.picture, corners),
            )
            for number, corners in enumerate(shown.facings, start=1)
            if facing in (None, number)
        ]

    def _keep(self, reason: str, proposals: Sequence[HarvestedCrop], now_s: float) -> None:
        """Keep them; where the disk refuses, the next attempt is as far off as after a success."""
        if not proposals:
            return
        self._chores.do(lambda: self._on_kept(reason, self._harvest.keep(proposals)))
        for location in {proposal.location for proposal in proposals}:
            self._places[location].kept_s, self._places[location].is_new = now_s, False


def _sku(expected: Expected | None) -> tuple[str | None, bool]:
    return (expected.sku if expected else None), expected is None
