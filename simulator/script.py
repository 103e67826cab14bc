"""The script of a simulated shelf: what stands where at the start, and what happens when."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from pydantic import ConfigDict, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError

from kardus.support.errors import DataError
from kardus.support.files import write_whole
from simulator.pictures import Stock, generator

MIN_LOCATIONS = 12


class ChangeKind(StrEnum):
    """What can happen in front of the camera."""

    WRONG_VARIANT = "wrong_variant"
    SWAP = "swap"
    REMOVE = "remove"
    UNEXPECTED = "unexpected"
    UNKNOWN = "unknown"
    PLACE = "place"
    WALK_PAST = "walk_past"
    LIGHT = "light"
    BUMP = "bump"
    FROZEN = "frozen"
    DARK = "dark"
    OVER_EXPOSED = "over_exposed"
    BLURRED = "blurred"
    COVERED = "covered"
    MOVED = "moved"
    DEAD = "dead"


SPOILS_VIEW = frozenset(
    {
        ChangeKind.FROZEN,
        ChangeKind.DARK,
        ChangeKind.OVER_EXPOSED,
        ChangeKind.BLURRED,
        ChangeKind.COVERED,
        ChangeKind.MOVED,
        ChangeKind.DEAD,
    }
)
"""What makes the camera's picture worthless for as long as it lasts."""


@dataclass(frozen=True)
class Change:
    """One event of a script, from the given frame on."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    frame: NonNegativeInt
    kind: ChangeKind
    location: str = ""
    other: str = ""
    """The second location of a swap."""
    name: str = ""
    """The class that is put there (wrong_variant, unexpected, place)."""
    amount: float = 0.0
    """Light: gain; bump and moved: pixels; blurred: sigma in pixels; walk_past: frames that it takes to cross."""
    lasts: NonNegativeInt = 0
    """Frames until the view is as it was before, for what spoils it."""


@dataclass(frozen=True)
class Content:
    """What stands in a location: a class, an unknown carton, or nothing. `since` is the frame it was put there."""

    name: str | None
    unknown: bool = False
    since: int = 0


@dataclass(frozen=True)
class Script:
    """A shelf over time."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    seed: NonNegativeInt
    frames: PositiveInt
    stock: dict[str, str | None]
    """The class in each location at the start; None is empty."""
    expected: dict[str, str | None]
    """The SKU that the WMS expects in each location; None means that it must be empty."""
    changes: tuple[Change, ...]

    def locations(self) -> set[str]:
        """Every location that the script names."""
        named = {name for change in self.changes for name in (change.location, change.other) if name}
        return named | set(self.stock) | set(self.expected)

    def class_names(self) -> set[str]:
        """Every class that the script puts on the shelf."""
        return {name for name in (*self.stock.values(), *(change.name for change in self.changes)) if name}

    def contents(self, frame: int) -> dict[str, Content]:
        """What stands where in a frame."""
        contents = {location: Content(name) for location, name in self.stock.items()}
        for change in sorted(self.changes, key=lambda c: c.frame):
            if change.frame <= frame:
                _apply(contents, change)
        return contents

    def truth(self, frame: int, skus: dict[str, str]) -> dict[str, str]:
        """The right verdict for each location in a frame; `skus` gives the SKU of each class."""
        contents = self.contents(frame)
        return {location: _verdict(contents[location], sku, skus) for location, sku in self.expected.items()}

    def spoiled(self, frame: int) -> Change | None:
        """What makes the picture of a frame worthless, the latest of several; None when the view is good."""
        found = [c for c in self.changes if c.kind in SPOILS_VIEW and c.frame <= frame < c.frame + c.lasts]
        return max(found, key=lambda change: change.frame, default=None)

    def active(self, kind: ChangeKind, frame: int) -> list[Change]:
        """The changes of a kind that have begun by a frame."""
        return [change for change in self.changes if change.kind == kind and change.frame <= frame]


def demo_script(locations: Sequence[str], stock: Sequence[Stock], seed: int, frames: int = 60) -> Script:
    """A shelf on which every kind of fault happens once or twice, each in a location of its own.

    Between the faults someone walks past, the light changes and the camera is nudged.

    Raises:
        DataError: there are fewer than MIN_LOCATIONS locations.
    """
    if len(locations) < MIN_LOCATIONS:
        raise DataError(f"a shelf of {len(locations)} locations: the script needs {MIN_LOCATIONS} or more")
    rng = generator(seed, "script")
    order = [str(location) for location in rng.permutation(list(locations))]
    wrong, (left, right), removed, unexpected, unknown, spare = (
        order[0:2],
        order[2:4],
        order[4],
        order[5],
        order[6],
        order[7],
    )
    variants = [s for s in stock if any(t.category == s.category and t.sku != s.sku for t in stock)] or list(stock)
    start: dict[str, str | None] = {location: pick(rng, stock).name for location in order}
    start[unexpected] = start[spare] = None
    for location in wrong:
        start[location] = pick(rng, variants).name
    start[right] = pick(rng, [s for s in stock if s.sku != by_name(stock, start[left]).sku]).name
    times = [int(t) for t in np.linspace(0.2, 0.72, 6) * frames]
    changes = [
        Change(times[0], ChangeKind.WRONG_VARIANT, wrong[0], name=sibling(rng, stock, start[wrong[0]])),
        Change(times[1], ChangeKind.SWAP, left, other=right),
        Change(times[2], ChangeKind.REMOVE, removed),
        Change(times[3], ChangeKind.UNEXPECTED, unexpected, name=pick(rng, stock).name),
        Change(times[4], ChangeKind.UNKNOWN, unknown),
        Change(times[5], ChangeKind.WRONG_VARIANT, wrong[1], name=sibling(rng, stock, start[wrong[1]])),
        Change(int(0.3 * frames), ChangeKind.LIGHT, amount=float(rng.uniform(0.72, 0.85))),
        Change(int(0.45 * frames), ChangeKind.WALK_PAST, amount=6.0),
        Change(int(0.6 * frames), ChangeKind.BUMP, amount=3.0),
    ]
    expected = {location: by_name(stock, name).sku if name else None for location, name in start.items()}
    ordered = {location: start[location] for location in locations}
    return Script(seed, frames, ordered, {loc: expected[loc] for loc in locations}, tuple(changes))


_SCRIPT = TypeAdapter(Script)


def write_script(path: Path, script: Script) -> None:
    """Write a script as JSON."""
    write_whole(path, (json.dumps(asdict(script), indent=1) + "\n").encode())


def read_script(path: Path) -> Script:
    """Read a script.

    Raises:
        DataError: the file is missing or isn't a script; the message names the key.
    """
    try:
        script = _SCRIPT.validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"{path}: not a shelf script: {key} {first['msg']}: write one with kardus-agent simulate script"
        ) from error
    strange = script.locations() - set(script.stock)
    if strange:
        raise DataError(f"{path}: location {min(strange)!r} stands in changes or expected, but not in stock: add it")
    if any(change.amount < 1 for change in script.changes if change.kind == ChangeKind.WALK_PAST):
        raise DataError(f"{path}: amount of a walk_past is the frames that it takes: 1 or more")
    if any(change.lasts < 1 for change in script.changes if change.kind in SPOILS_VIEW):
        raise DataError(f"{path}: lasts of what spoils the view is the frames until it is good again: 1 or more")
    return script


def _apply(contents: dict[str, Content], change: Change) -> None:
    since = change.frame
    match change.kind:
        case ChangeKind.SWAP:
            left, right = contents[change.location], contents[change.other]
            contents[change.location] = Content(right.name, right.unknown, since)
            contents[change.other] = Content(left.name, left.unknown, since)
        case ChangeKind.REMOVE:
            contents[change.location] = Content(None, since=since)
        case ChangeKind.UNKNOWN:
            contents[change.location] = Content(None, unknown=True, since=since)
        case ChangeKind.WRONG_VARIANT | ChangeKind.UNEXPECTED | ChangeKind.PLACE:
            contents[change.location] = Content(change.name, since=since)
        case _:
            pass  # light, people and the camera's troubles change the picture, not the stock


def _verdict(content: Content, expected: str | None, skus: dict[str, str]) -> str:
    if content.unknown:
        return "unknown"
    if content.name is None:
        return "match" if expected is None else "empty"
    if expected is None:
        return "unexpected"
    return "match" if skus[content.name] == expected else "mismatch"


def pick(rng: np.random.Generator, stock: Sequence[Stock]) -> Stock:
    """One of them, by chance."""
    return stock[int(rng.integers(len(stock)))]


def by_name(stock: Sequence[Stock], name: str | None) -> Stock:
    """The class of this name."""
    return next(s for s in stock if s.name == name)


def sibling(rng: np.random.Generator, stock: Sequence[Stock], name: str | None) -> str:
    """Another product of the same category, or any other product where the category has only one."""
    own = by_name(stock, name)
    others = [s for s in stock if s.sku != own.sku]
    return pick(rng, [s for s in others if s.category == own.category] or others).name
