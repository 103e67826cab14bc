"""Tells where a location stands by its code: its aisle, and its place on the way through them."""

import re

AISLE_PATTERN = re.compile(r"^([^-]+)")
"""The aisle in a location's code: its first part, before the first `-`."""
OTHER_AISLES = "(others)"
"""The aisle of locations whose code names none."""


def aisle_of(location: str, pattern: re.Pattern[str] = AISLE_PATTERN) -> str:
    """The aisle that a location stands in: the pattern's first group, or its whole match."""
    found = pattern.search(location)
    return ((found.group(1) if pattern.groups else found.group()) if found else "") or OTHER_AISLES


def walking_order(code: str) -> list[tuple[int, str]]:
    """A key that sorts A-2 before A-10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", code)]
