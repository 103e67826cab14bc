"""Doubts in a camera's view: where much turns to an alert at once, it is looked at again before it is told.

A lamp, a camera's automatic or another light can change more than can be measured in a picture; then half a shelf
would be wrong within minutes. So where at least four of a camera's locations, and at least half of those that were
right, turn to an alert within one refresh, what turns is `uncertain` for a while, and looked at again. What is found
then is told, whatever it is: a shelf may really have been emptied. Only what is seen counts: alerts that come from
another expectation are told at once.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edge_agent.records import Finding
from kardus.contract.messages import LocationState
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.support.clock import Clock

FEWEST_TURNED = 4
"""Fewer locations that turn to an alert are no sign that the view is wrong."""
SHARE_TURNED = 0.5
"""Of the locations that matched; or, where nothing has matched yet, of all that were judged."""
VOTE_AGAIN_S = 10.0
"""How often a doubted location is looked at again."""
VIEW_DOUBTED = (
    "half of its camera's locations turned to an alert at once: they are looked at again before it is told, in case it "
    "is the light or the camera"
)


@dataclass
class _Doubt:
    """What is known of one camera."""

    matched: dict[str, str | None] = field(default_factory=dict)
    """The SKU that each location had when it last matched, until an alert of it is told."""
    turned_s: dict[str, float] = field(default_factory=dict)
    """When each location turned to an alert: the time counts that it had to rest before it could be looked at."""
    held: dict[str, Finding] = field(default_factory=dict)
    """Alerts that aren't told yet."""
    since_s: float | None = None
    """Since when the view is doubted; None: it isn't."""
    voted_s: float = 0.0
    believed_until_s: float = -1.0
    """A doubt has run its full time: until then alerts of this camera are told at once, and no other doubt begins."""
    first: dict[str, bool] = field(default_factory=dict)
    """Of each location, whether it was first judged right (see `ViewDoubts.is_first_word_wrong`)."""

    def keep(self, locations: Collection[str]) -> None:
        """Forget all locations but these; a doubt in which nothing is held any more is over."""
        known: tuple[dict[str, Any], ...] = (self.matched, self.turned_s, self.held, self.first)
        for told in known:
            for gone in told.keys() - set(locations):
                del told[gone]
        if not self.held:
            self.since_s = None


class ViewDoubts:
    """The doubts in the cameras' views. Owned by the agent's thread."""

    def __init__(self, states: Mapping[str, LocationState], doubt_s: float, refresh_s: float, clock: Clock) -> None:
        """No doubt yet.

        Args:
            states: what the WMS knows of each location; kept up to date by its owner.
            doubt_s: how long a view is doubted; 0: never.
            refresh_s: what turns within so long turns at once.
            clock: what time it is.
        """
        self._states = states
        self._clock = clock
        self._cameras: dict[str, _Doubt] = {}
        self.use(doubt_s, refresh_s)

    def use(self, doubt_s: float, refresh_s: float) -> None:
        """Take other settings for how long a view is doubted, and what turns at once; doubts that stand are kept."""
        self._doubt_s, self._refresh_s = doubt_s, refresh_s

    def keep(self, cameras: Mapping[str, Collection[str]]) -> None:
        """Forget all cameras but these, and of them all locations but theirs."""
        self._cameras = {name: doubt for name, doubt in self._cameras.items() if name in cameras}
        for name, doubt in self._cameras.items():
            doubt.keep(cameras[name])

    @property
    def doubted(self) -> list[str]:
        """The cameras whose view is doubted now."""
        return [name for name, doubt in self._cameras.items() if doubt.since_s is not None]

    def weigh(self, findings: Sequence[Finding], on_doubt: Callable[[str], None]) -> list[Finding]:
        """Findings, of which alerts are `uncertain` where the view is doubted; `on_doubt` is told whose is from now."""
        is_calm = not self.doubted and all(finding.verdict is Verdict.MATCH for finding in findings)
        if self._doubt_s == 0 or is_calm:
            return list(findings)
        now_s = self._clock.monotonic_s()
        turning = {finding.location for finding in findings if self._turns(finding, now_s)}
        for camera in sorted({finding.camera for finding in findings if finding.location in turning}):
            if self._is_much(camera, now_s):
                doubt = self._of(camera)
                doubt.since_s, doubt.voted_s = max(doubt.turned_s.values()), now_s
                on_doubt(camera)
        return [self._weighed(finding) if finding.location in turning else finding for finding in findings]

    def due_for_another_vote(self) -> dict[str, list[str]]:
        """The doubted locations that are to be classified once more now, by their camera."""
        now_s, due = self._clock.monotonic_s(), {}
        for name in self.doubted:
            doubt = self._of(name)
            if now_s - doubt.voted_s >= VOTE_AGAIN_S:
                doubt.voted_s = now_s
                due[name] = list(doubt.held)
        return due

    def over(self, camera: str = "") -> list[Finding]:
        """What was held back in views that were doubted for long enough (or of this camera, which has ended)."""
        now_s, told = self._clock.monotonic_s(), list[Finding]()
        for name in self.doubted:
            doubt = self._of(name)
            if doubt.since_s is not None and (name == camera or now_s - doubt.since_s >= self._doubt_s):
                told += doubt.held.values()
                doubt.since_s, doubt.believed_until_s = None, now_s + self._refresh_s
                doubt.held, doubt.turned_s = {}, {}
        return told

    def signal_lost(self, camera: str) -> None:
        """The view is lost: what was held back isn't told."""
        doubt = self._of(camera)
        doubt.since_s, doubt.held, doubt.turned_s = None, {}, {}

    def is_first_word_wrong(self, camera: str, findings: Iterable[Finding], locations: int) -> bool:
        """Whether the first verdict was an alert at half of a camera's locations or more (see SHARE_TURNED).

        If so, first verdicts are collected anew.
        """
        first = self._of(camera).first
        for finding in findings:
            if finding.verdict is Verdict.MATCH or finding.verdict in ALERTS:
                first.setdefault(finding.location, finding.verdict is Verdict.MATCH)
        wrong = len(first) - sum(first.values())
        if wrong < max(SHARE_TURNED * locations, min(FEWEST_TURNED, locations)):
            return False
        self._of(camera).first = {}
        return True

    def _of(self, camera: str) -> _Doubt:
        return self._cameras.setdefault(camera, _Doubt())

    def _turns(self, finding: Finding, now_s: float) -> bool:
        """Whether a finding turns its location from a match to an alert, though the same is expected there."""
        doubt, location, state = self._of(finding.camera), finding.location, self._states.get(finding.location)
        if state is not None and state.verdict is Verdict.MATCH:
            doubt.matched[location] = state.expected.sku if state.expected else None
        if finding.verdict in (Verdict.MATCH, Verdict.UNMANAGED):
            self._is_right(doubt, location)
        if finding.verdict not in ALERTS or location not in doubt.matched:
            return False
        if doubt.matched[location] != (finding.expected.sku if finding.expected else None):
            del doubt.matched[location]
            return False
        doubt.turned_s.setdefault(location, now_s - finding.rested_s)
        return True

    def _is_right(self, doubt: _Doubt, location: str) -> None:
        doubt.turned_s.pop(location, None)
        if doubt.held.pop(location, None) and not doubt.held:
            doubt.since_s = None  # all is as it was

    def _is_much(self, camera: str, now_s: float) -> bool:
        """Whether so much has turned that the view is to be doubted from now on."""
        doubt = self._of(camera)
        doubt.turned_s = {name: at_s for name, at_s in doubt.turned_s.items() if now_s - at_s <= self._refresh_s}
        if doubt.since_s is not None or now_s < doubt.believed_until_s:
            return False
        if self._is_as_good_as_over(doubt, now_s):
            return False
        right = {n for n, state in self._states.items() if state.camera == camera and state.verdict is Verdict.MATCH}
        return len(doubt.turned_s) >= max(
            FEWEST_TURNED, SHARE_TURNED * len(right | set(doubt.matched) | set(doubt.turned_s))
        )

    def _is_as_good_as_over(self, doubt: _Doubt, now_s: float) -> bool:
        """Whether a doubt, counted from the newest alert, would end before another look: then none begins."""
        left_s = max(doubt.turned_s.values(), default=now_s) + self._doubt_s - now_s
        return left_s < min(VOTE_AGAIN_S, self._doubt_s)

    def _weighed(self, finding: Finding) -> Finding:
        """An alert, held back where the view is doubted."""
        doubt = self._of(finding.camera)
        if doubt.since_s is None:
            del doubt.matched[finding.location]
            return finding
        doubt.held[finding.location] = finding
        return replace(finding, verdict=Verdict.UNCERTAIN, reason=VIEW_DOUBTED)
