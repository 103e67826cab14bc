"""Where a location stands: its rack, its level and its place there, by its code."""

import re
from dataclasses import dataclass
from functools import lru_cache

from warehouse.report.aisles import aisle_of, walking_order

RACK_PATTERN = re.compile(r"^(.+?)(?:-[^-]*){1,2}$")
"""The rack in a location's code: what stands before its last two parts, as `A-03` in `A-03-2-05`."""
MAX_TILES = 300
"""So many locations are shown at once; a longer rack has parts."""


@dataclass(frozen=True)
class RackPlace:
    """The rack, the level and the place of a location."""

    location: str
    aisle: str
    rack: str
    level: str
    """Empty: the rack has none, by the codes."""


@lru_cache(maxsize=200_000)
def place_of(location: str, pattern: re.Pattern[str] = RACK_PATTERN) -> RackPlace:
    """Of a code: the rack is the pattern's first group, or its whole match, or else the aisle."""
    found = pattern.search(location)
    aisle = aisle_of(location)
    rack = (found.group(1) if pattern.groups else found.group()) if found else aisle
    rest = [part for part in location.removeprefix(rack).split("-") if part]
    return RackPlace(location, aisle, rack or aisle, rest[0] if len(rest) > 1 else "")


def standing(places: list[RackPlace]) -> list[tuple[str, list[RackPlace]]]:
    """The levels of a rack as they stand, the highest first, each from its first place on."""
    levels: dict[str, list[RackPlace]] = {}
    for place in sorted(places, key=lambda one: walking_order(one.location)):
        levels.setdefault(place.level, []).append(place)
    return [(level, levels[level]) for level in sorted(levels, key=walking_order, reverse=True)]
