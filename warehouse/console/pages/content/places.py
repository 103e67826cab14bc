"""Where a location stands: its rack, its level and its place there, by its code."""

import re
from dataclasses import dataclass
from functools import lru_cache

from warehouse.report.aisles import AISLE_PATTERN, aisle_of, first_group, walking_order

RACK_PATTERN = re.compile(r"^(.+?)(?:-[^-]*){1,2}$")
"""The rack in a location's code: what stands before its last two parts, as `A-03` in `A-03-2-05`."""
_PARTS, _OTHER_PARTS = re.compile("[^-]+"), re.compile(r"[^/._:\s]+")
"""What stands between the separators of a code: hyphens, or where there are none whatever else parts codes."""
MAX_TILES = 300
"""So many locations are shown at once; a longer rack has parts."""


@dataclass(frozen=True)
class CodePatterns:
    """What a location's code tells: the aisle and the rack, each by the first group of a pattern that takes part."""

    aisle: re.Pattern[str] = AISLE_PATTERN
    rack: re.Pattern[str] = RACK_PATTERN


@dataclass(frozen=True)
class RackPlace:
    """The rack, the level and the place of a location."""

    location: str
    aisle: str
    rack: str
    level: str
    """Empty: the rack has none, by the codes."""


@lru_cache(maxsize=200_000)
def place_of(location: str, patterns: CodePatterns | None = None) -> RackPlace:
    """Of a code: the rack is what its pattern finds, or else the aisle; the level is the first of two parts behind."""
    patterns = patterns or CodePatterns()
    aisle = aisle_of(location, patterns.aisle)
    rack = first_group(patterns.rack, location) or aisle
    behind = location.removeprefix(rack)
    rest = (_PARTS if "-" in behind else _OTHER_PARTS).findall(behind)
    return RackPlace(location, aisle, rack, rest[0] if len(rest) > 1 else "")


def standing(places: list[RackPlace]) -> list[tuple[str, list[RackPlace]]]:
    """The levels of a rack as they stand, the highest first, each from its first place on."""
    levels: dict[str, list[RackPlace]] = {}
    for place in sorted(places, key=lambda one: walking_order(one.location)):
        levels.setdefault(place.level, []).append(place)
    return [(level, levels[level]) for level in sorted(levels, key=walking_order, reverse=True)]
