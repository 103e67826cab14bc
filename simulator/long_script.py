"""A long script: fault after fault, each put right later, while people, light and the camera do their worst."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kardus.support.errors import DataError
from simulator.pictures import Stock, generator
from simulator.script import (
    MIN_LOCATIONS,
    SPOILS_VIEW,
    Change,
    ChangeKind,
    Script,
    by_name,
    pick,
    sibling,
)

FAULT_EVERY = 3
"""Frames from one fault to the next, in the mean."""
EVENT_EVERY = 8
"""Clear frames from one thing that happens to the view to the next."""
IN_SIGHT = 8
"""Clear frames for which a fault, or what was put right, stands at least."""
_EMPTY_SHARE = 0.25
_HARMLESS = 3 * (ChangeKind.WALK_PAST, ChangeKind.LIGHT, ChangeKind.BUMP)
_DARKEST, _BRIGHTEST = 0.72, 1.25
_FARTHEST_PX = 20.0


@dataclass
class _Course:
    """The script as far as it has been written."""

    rng: np.random.Generator
    stock: Sequence[Stock]
    start: dict[str, str | None]
    changes: list[Change] = field(default_factory=list)
    frame: int = IN_SIGHT
    clear: int = 0
    """Frames so far in which nothing was wrong with the view, and nobody in it."""
    clear_again: int = 0
    """The frame from which the view is clear."""
    wrong: dict[str, int] = field(default_factory=dict)
    """Until how many clear frames each location's fault stands."""
    resting: dict[str, int] = field(default_factory=dict)
    """Until how many clear frames nothing happens to a location that was put right."""
    coming: list[ChangeKind] = field(default_factory=list)
    """What will happen to the view."""
    gain: float = 1.0
    shift_px: float = 0.0


def long_script(locations: Sequence[str], stock: Sequence[Stock], seed: int, faults: int) -> Script:
    """A shelf on which `faults` faults happen, several at a time and each in a location that is right.

    Between them people walk past, the light changes, the camera is nudged, and each of its troubles comes in turn;
    faults happen then too. At the end everything is right again.

    Raises:
        DataError: there are fewer than MIN_LOCATIONS locations.
    """
    if len(locations) < MIN_LOCATIONS:
        raise DataError(f"a shelf of {len(locations)} locations: the script needs {MIN_LOCATIONS} or more")
    rng = generator(seed, "long script")
    start: dict[str, str | None] = {location: pick(rng, stock).name for location in locations}
    for location in rng.permutation(list(locations))[: round(_EMPTY_SHARE * len(locations))]:
        start[str(location)] = None
    course = _Course(rng, stock, start)
    made = 0
    while made < faults or course.wrong or course.clear < max(course.resting.values(), default=0):
        if course.frame >= course.clear_again:
            course.clear += 1
            _put_right(course)
            if course.clear % EVENT_EVERY == 0 and made < faults:
                _happen_to_view(course)
        if made < faults and rng.uniform() < 1 / FAULT_EVERY:
            made += _go_wrong(course)
        course.frame += 1
    expected = {location: by_name(stock, name).sku if name else None for location, name in start.items()}
    return Script(seed, course.frame, start, expected, tuple(course.changes))


def _put_right(course: _Course) -> None:
    for location in [name for name, until in course.wrong.items() if course.clear >= until]:
        name = course.start[location]
        kind = ChangeKind.PLACE if name else ChangeKind.REMOVE
        course.changes.append(Change(course.frame, kind, location, name=name or ""))
        del course.wrong[location]
        course.resting[location] = course.clear + IN_SIGHT


def _go_wrong(course: _Course) -> bool:
    """One fault, if a location is free for it."""
    rng, start = course.rng, course.start
    free = [name for name in start if name not in course.wrong and course.resting.get(name, 0) <= course.clear]
    stocked, empty = [name for name in free if start[name]], [name for name in free if not start[name]]
    kind = (ChangeKind.WRONG_VARIANT, ChangeKind.SWAP, ChangeKind.REMOVE, ChangeKind.UNEXPECTED, ChangeKind.UNKNOWN)[
        int(rng.integers(5))
    ]
    places = {ChangeKind.UNEXPECTED: empty, ChangeKind.UNKNOWN: free}.get(kind, stocked)
    if not places:
        return False
    location, other, name = places[int(rng.integers(len(places)))], "", ""
    if kind is ChangeKind.SWAP:
        others = [o for o in stocked if _sku(course, o) != _sku(course, location)]
        if not others:
            return False
        other = others[int(rng.integers(len(others)))]
    elif kind is ChangeKind.WRONG_VARIANT:
        name = sibling(rng, course.stock, start[location])
    elif kind is ChangeKind.UNEXPECTED:
        name = pick(rng, course.stock).name
    course.changes.append(Change(course.frame, kind, location, other, name))
    for place in filter(None, (location, other)):
        course.wrong[place] = course.clear + IN_SIGHT + int(rng.integers(6))
    return True


def _sku(course: _Course, location: str) -> str:
    return by_name(course.stock, course.start[location]).sku


def _round(rng: np.random.Generator) -> list[ChangeKind]:
    """What happens to the view, the last first: a trouble, something harmless, a trouble, and so on."""
    troubles, harmless = sorted(SPOILS_VIEW), list(_HARMLESS)
    pairs = zip(rng.permutation(len(troubles)), rng.permutation(len(harmless)), strict=False)
    return [kind for trouble, other in pairs for kind in (harmless[int(other)], troubles[int(trouble)])]


def _happen_to_view(course: _Course) -> None:
    """The next of the things that happen to the view; all of them come before one comes again."""
    rng = course.rng
    if not course.coming:
        course.coming = _round(rng)
    kind, amount, lasts = course.coming.pop(), 0.0, 0
    if kind is ChangeKind.LIGHT:
        gain = float(rng.uniform(_DARKEST, _BRIGHTEST))
        amount, course.gain = gain / course.gain, gain
    elif kind is ChangeKind.BUMP:
        shift = float(rng.uniform(-_FARTHEST_PX, _FARTHEST_PX))
        amount, course.shift_px = shift - course.shift_px, shift
    elif kind is ChangeKind.WALK_PAST:
        amount = float(rng.integers(5, 10))
        course.clear_again = course.frame + int(amount) + 2
    else:
        amount = {ChangeKind.BLURRED: float(rng.uniform(9, 16)), ChangeKind.MOVED: float(rng.uniform(50, 300))}.get(
            kind, 0.0
        )
        lasts = int(rng.integers(5, 10)) + (8 if kind is ChangeKind.FROZEN else 0)  # it takes time to be sure of that
        course.clear_again = course.frame + lasts
    course.changes.append(Change(course.frame, kind, amount=amount, lasts=lasts))
