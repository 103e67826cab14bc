"""What the agent said of a long script, change by change and alert by alert. Pure functions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kardus.contract.messages import LocationEvent
from kardus.contract.verdicts import ALERTS, Verdict
from simulator.scene import RackCell
from simulator.script import Change, ChangeKind, Script
from simulator.shelf import BODY, Shelf

FAULTS = (ChangeKind.WRONG_VARIANT, ChangeKind.SWAP, ChangeKind.REMOVE, ChangeKind.UNEXPECTED, ChangeKind.UNKNOWN)
NAMED = (Verdict.MISMATCH, Verdict.UNEXPECTED)
"""Verdicts that name the product that stands there."""
WITHIN = 5
"""Frames after a change, or after the location came in sight again, within which it must be told."""
INVALID = (Verdict.STALE, Verdict.OBSTRUCTED)
"""All that may be said while the view is spoiled."""
EDGE = 0.1
"""How far a slot's edge reaches, in shares of its width."""


@dataclass(frozen=True)
class Told:
    """An event, and the frame that it is about."""

    frame: int
    event: LocationEvent


@dataclass(frozen=True)
class Judged:
    """A change at one location, and when it was told."""

    what: str
    """The fault's kind, or `put right`."""
    location: str
    frame: int
    due: int
    """The last frame in time."""
    verdict: str
    sku: str | None
    told: int | None
    """The frame in which the right verdict, with the right product, was first told; None: never."""
    reported: int | None
    """The same, where the alert may leave the product open, or give its category alone; None: never."""
    alerted: int | None
    """The frame in which anything at all was first said to be wrong there; None: never, or nothing is wrong."""

    @property
    def reported_in_time(self) -> bool:
        """Whether it was reported at its location within WITHIN frames."""
        return self.reported is not None and self.reported <= self.due

    @property
    def alerted_in_time(self) -> bool:
        """Whether somebody was sent there within WITHIN frames, for whatever reason."""
        return self.alerted is not None and self.alerted <= self.due

    @property
    def in_time(self) -> bool:
        """Whether it was told within WITHIN frames."""
        return self.told is not None and self.told <= self.due


@dataclass(frozen=True)
class Trouble:
    """What spoiled the view."""

    kind: ChangeKind
    frame: int
    noticed: bool
    """Whether `stale` was said while it lasted ..."""
    named: bool
    """... and the reason was the right one."""


@dataclass(frozen=True)
class Result:
    """A camera's script, judged."""

    changes: tuple[Judged, ...]
    alerts: int
    false_alerts: tuple[Told, ...]
    """Alerts of another kind than the truth ..."""
    needless: tuple[Told, ...]
    """... of which at these locations nothing was wrong at all."""
    misnamed: tuple[Told, ...]
    """Alerts that are right, and name another product than the one that stands there."""
    spoken_while_invalid: tuple[Told, ...]
    troubles: tuple[Trouble, ...]
    doubts: int
    """Events of `uncertain`."""


def judge_script(
    script: Script,
    skus: Mapping[str, str],
    hidden: Callable[[int], set[str]],
    told: Sequence[Told],
    names: Mapping[ChangeKind, str],
) -> Result:
    """Compare what was told with the script.

    Args:
        script: what happened.
        skus: of each class.
        hidden: before which locations somebody stands in a frame.
        told: the events of the script's locations, in order.
        names: how the agent calls each trouble, at the beginning of the reason of `stale`.
    """
    alerts = [t for t in told if t.event.verdict in ALERTS]
    truth = {frame: script.truth(frame, dict(skus)) for frame in {t.frame for t in told}}
    right = [t for t in alerts if truth[t.frame][t.event.location] == t.event.verdict]
    return Result(
        tuple(_judged(script, skus, hidden, told)),
        len(alerts),
        tuple(t for t in alerts if t not in right),
        tuple(t for t in alerts if truth[t.frame][t.event.location] not in ALERTS),
        tuple(t for t in right if _names_another(script, skus, t)),
        tuple(t for t in told if script.spoiled(t.frame) and t.event.verdict not in INVALID),
        tuple(_trouble(change, told, names) for change in script.changes if change.lasts),
        sum(t.event.verdict == Verdict.UNCERTAIN for t in told),
    )


def _judged(
    script: Script, skus: Mapping[str, str], hidden: Callable[[int], set[str]], told: Sequence[Told]
) -> list[Judged]:
    stock = [c for c in script.changes if c.kind in (*FAULTS, ChangeKind.PLACE)]
    corrections = {(c.frame, c.location) for c in stock if script.truth(c.frame, dict(skus))[c.location] == "match"}
    judged = []
    for change in stock:
        verdicts = script.truth(change.frame, dict(skus))
        for location in filter(None, (change.location, change.other)):
            what = "put right" if (change.frame, location) in corrections else str(change.kind)
            later = [c.frame for c in stock if c.frame > change.frame and location in (c.location, c.other)]
            until = min(later, default=script.frames)
            sku = _sku_at(script, skus, location, change.frame) if verdicts[location] in NAMED else None
            there = [t for t in told if change.frame <= t.frame < until and t.event.location == location]
            own = [t for t in there if t.event.verdict == verdicts[location]]
            named = next((t.frame for t in own if sku is None or _named(t) == sku), None)
            reported = next((t.frame for t in own if sku is None or _named(t) in (None, sku)), None)
            is_wrong = verdicts[location] in ALERTS
            alerted = next((t.frame for t in there if is_wrong and t.event.verdict in ALERTS), None)
            due = _due(script, hidden, location, change.frame)
            judged.append(Judged(what, location, change.frame, due, verdicts[location], sku, named, reported, alerted))
    return judged


def _due(script: Script, hidden: Callable[[int], set[str]], location: str, frame: int) -> int:
    """WITHIN frames after the first frame from which the location stays in sight for so long."""
    seen = 0
    while seen <= WITHIN and frame < script.frames:
        seen = 0 if script.spoiled(frame) or location in hidden(frame) else seen + 1
        frame += 1
    return frame - 1


def _sku_at(script: Script, skus: Mapping[str, str], location: str, frame: int) -> str | None:
    name = script.contents(frame)[location].name
    return skus[name] if name else None


def _names_another(script: Script, skus: Mapping[str, str], told: Told) -> bool:
    event = told.event
    return event.verdict in NAMED and _named(told) not in (None, _sku_at(script, skus, event.location, told.frame))


def _named(told: Told) -> str | None:
    return told.event.seen.sku if told.event.seen else None


def _trouble(change: Change, told: Sequence[Told], names: Mapping[ChangeKind, str]) -> Trouble:
    reasons = [
        t.event.reason
        for t in told
        if t.event.verdict is Verdict.STALE and change.frame <= t.frame < change.frame + change.lasts
    ]
    named = any(reason.startswith(names[change.kind]) for reason in reasons)
    return Trouble(change.kind, change.frame, bool(reasons), named)


def hidden(shelf: Shelf, number: int) -> set[str]:
    """The locations before which, or at whose very edge, someone walking past stands in a frame."""
    walker = shelf._walker(number)
    if walker is None:
        return set()
    reaches = {slot.location: _reach(slot, shelf.rack.width_px) for slot in shelf.rack.slots()}
    return {where for where, (left, right) in reaches.items() if walker - BODY < right and walker + BODY > left}


def _reach(slot: RackCell, width_px: int) -> tuple[float, float]:
    """From where to where a slot and its edge reach, in shares of the picture's width."""
    left, right = slot.corners[:, 0].min() / width_px, slot.corners[:, 0].max() / width_px
    edge = EDGE * (right - left)
    return left - edge, right + edge
