"""Plays a recording to one configuration or two, side by side: every picture is read once."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from edge_agent.records import Frame, SignalLost
from edge_agent.replay.comparison import ReplayComparison, Tally, VerdictChange, VerdictDifference
from edge_agent.replay.recorded import PlayableRecording, ReplayedInput
from kardus.contract.messages import LocationState
from kardus.contract.verdicts import ALERTS
from kardus.support.errors import DataError, UsageError

TRUTH = "truth.jsonl"
TruthByFrame = Mapping[int, Mapping[str, str]]
Watching = Callable[[Iterator[ReplayedInput]], Iterable[ReplayedInput]]


class ReplayPlayer(Protocol):
    """One configuration of the agent that a recording can be played to."""

    model: str
    """Name and version of its model."""

    @property
    def cameras(self) -> frozenset[str]:
        """Its cameras that are in the recording."""

    @property
    def locations(self) -> list[str]:
        """Every location that it watches."""

    @property
    def states(self) -> Mapping[str, LocationState]:
        """The present verdict at each location."""

    @property
    def classified(self) -> int:
        """Crops that went through the model."""

    def play(self, moment: ReplayedInput) -> list[VerdictChange]:
        """Deal with a moment as the agent would. Returns what changed."""


@dataclass
class ReplayedConfig:
    """One configuration, with what it came to."""

    player: ReplayPlayer
    tally: Tally = field(default_factory=Tally)
    changes: list[VerdictChange] = field(default_factory=list)
    took_s: float = 0.0
    """Of the machine's time."""

    def play(self, moment: ReplayedInput, truth: Mapping[str, str] | None) -> list[str]:
        """Deal with a moment. Returns the locations whose verdict changed."""
        began = time.perf_counter()
        changes = self.player.play(moment)
        self.took_s += time.perf_counter() - began
        self.tally.take(changes)
        if truth is not None:
            self.tally.judge(changes, {name: truth[name] for name in self.player.locations if name in truth})
        self.changes += changes
        for change in changes:
            alert = self.player.states[change.finding.location].alert
            if change.finding.verdict in ALERTS and alert:
                self.tally.alerts.add(alert.id)
        return [change.finding.location for change in changes]


@dataclass(frozen=True)
class ReplayOutcome:
    """What a replay comes to."""

    sides: Sequence[ReplayedConfig]
    differences: Sequence[VerdictDifference]
    pictures: int
    lost: int
    """Times that a camera gave no picture."""
    began: datetime
    ended: datetime
    read_s: float
    """Of the machine's time, to read the recording."""
    has_truth: bool


def replay(
    recorded: PlayableRecording, players: Sequence[ReplayPlayer], truth: TruthByFrame, watching: Watching = iter
) -> ReplayOutcome:
    """Play a recording to its end; `watching` is given everything that comes, to show how far it is.

    Raises:
        DataError: there is no picture in it.
        UsageError: the configurations watch other locations.
    """
    _require_alike(players)
    sides = [ReplayedConfig(player) for player in players]
    comparison = ReplayComparison(sides[0].tally, sides[-1].tally)
    pictures, lost, reason = 0, 0, "it is empty"
    first: ReplayedInput | None = None
    last: ReplayedInput | None = None
    began = time.perf_counter()
    for moment in watching(recorded.moments(players[0].cameras)):
        right = truth.get(moment.picture) if moment.picture is not None else None
        changed = [location for side in sides for location in side.play(moment, right)]
        comparison.compare(changed, moment.at, is_picture=moment.picture is not None)
        first, last = first or moment, moment
        pictures += isinstance(moment.item, Frame)
        if isinstance(moment.item, SignalLost):
            lost, reason = lost + 1, moment.item.reason
    if not pictures or first is None or last is None:
        raise DataError(f"there is no picture in the recording: {reason}")
    took_s = time.perf_counter() - began - sum(side.took_s for side in sides)
    return ReplayOutcome(sides, comparison.differences, pictures, lost, first.at, last.at, took_s, bool(truth))


_LINE = TypeAdapter(dict[str, int | dict[str, str]])


def read_truth(folder: Path) -> TruthByFrame:
    """The right verdicts of each picture, where they stand beside a recording; empty where they don't.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / TRUTH
    if not path.is_file():
        return {}
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return {int(line["frame"]): dict(line["verdicts"]) for line in map(_LINE.validate_python, lines)}  # type: ignore[arg-type]
    except (OSError, ValueError, KeyError, TypeError, ValidationError, RecursionError) as error:
        raise DataError(f"{path}: not readable: remove it, or write the shelf again") from error


def _require_alike(players: Sequence[ReplayPlayer]) -> None:
    first, last = set(players[0].locations), set(players[-1].locations)
    if first != last:
        raise UsageError(
            f"--against: location '{min(first ^ last)}' is in one of the two configurations only: "
            "compare configurations that watch the same locations"
        )
