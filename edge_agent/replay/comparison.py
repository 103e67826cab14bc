"""What one configuration made of a recording, and where two of them differ."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from edge_agent.records import Finding
from kardus.contract.verdicts import ALERTS


@dataclass(frozen=True)
class VerdictChange:
    """A change of verdict, as the agent would have published it."""

    at: datetime
    """When it was decided."""
    finding: Finding
    previous: str
    """The verdict before; empty at the first."""


@dataclass(frozen=True)
class StandingVerdict:
    """A verdict that stands at a location."""

    verdict: str
    seen: str
    """The product that is seen; empty where none is."""
    reason: str = ""

    @property
    def outcome(self) -> tuple[str, str]:
        """What makes it another verdict."""
        return self.verdict, self.seen


@dataclass
class Tally:
    """What a configuration comes to, counted."""

    changes: Counter[str] = field(default_factory=Counter)
    """Changes of verdict by the new verdict."""
    alerts: set[str] = field(default_factory=set)
    """Their ids: each is something that somebody would have walked to a location for."""
    right: Counter[bool] = field(default_factory=Counter)
    """Pairs of picture and location: at how many the standing verdict was true (True), and at how many not (False)."""
    right_changes: Counter[bool] = field(default_factory=Counter)
    """The same of changes of verdict."""
    stands: dict[str, StandingVerdict] = field(default_factory=dict)
    """What stands at each location."""

    def take(self, changes: Iterable[VerdictChange]) -> None:
        """Count changes."""
        for change in changes:
            finding = change.finding
            self.changes[finding.verdict.value] += change.previous != finding.verdict.value
            seen = (finding.seen.sku or finding.seen.name or "") if finding.seen else ""
            self.stands[finding.location] = StandingVerdict(finding.verdict.value, seen, finding.reason)

    def judge(self, changes: Iterable[VerdictChange], truth: Mapping[str, str]) -> None:
        """Compare with the truth of a picture, after its changes were taken; nothing said isn't right."""
        for location, verdict in truth.items():
            stands = self.stands.get(location)
            self.right[stands is not None and stands.verdict == verdict] += 1
        for change in changes:
            verdict, location = change.finding.verdict.value, change.finding.location
            if location in truth and verdict != change.previous:
                self.right_changes[verdict == truth[location]] += 1


@dataclass
class VerdictDifference:
    """A time in which two configurations said different things of a location; both had said something."""

    location: str
    since: datetime
    a: StandingVerdict
    b: StandingVerdict
    until: datetime | None = None
    """None: up to the recording's end."""
    pictures: int = 0
    """How many pictures it lasted."""

    @property
    def is_about_an_alert(self) -> bool:
        """Whether one of them would have sent somebody to the shelf."""
        return bool({self.a.verdict, self.b.verdict} & ALERTS)


class ReplayComparison:
    """Follows two configurations over the same recording."""

    def __init__(self, a: Tally, b: Tally) -> None:
        """Begin, before anything was said."""
        self._a, self._b = a, b
        self._open: dict[str, VerdictDifference] = {}
        self.differences: list[VerdictDifference] = []
        """In the order in which they began."""

    def compare(self, locations: Iterable[str], at: datetime, *, is_picture: bool) -> None:
        """Compare what stands at these locations, whose verdicts have changed, after a moment."""
        for location in sorted(set(locations)):
            a, b = self._a.stands.get(location), self._b.stands.get(location)
            if a is None or b is None:
                continue
            known = self._open.get(location)
            if known and (known.a.outcome, known.b.outcome) == (a.outcome, b.outcome):
                continue
            if known:
                known.until = at
                del self._open[location]
            if a.outcome != b.outcome:
                self._open[location] = VerdictDifference(location, at, a, b)
                self.differences.append(self._open[location])
        for difference in self._open.values():
            difference.pictures += is_picture
