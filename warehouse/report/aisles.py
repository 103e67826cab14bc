"""Tells where a location stands by its code: its aisle, and its place on the way through them."""

import re

AISLE_PATTERN = re.compile(r"^([^-]+)")
"""The aisle in a location's code: its first part, before the first `-`."""
OTHER_AISLES = "(others)"
"""The aisle of locations whose code names none."""


def aisle_of(location: str, pattern: re.Pattern[str] = AISLE_PATTERN) -> str:
    """The aisle that a location stands in: what `first_group` finds."""
    return first_group(pattern, location) or OTHER_AISLES


def first_group(pattern: re.Pattern[str], code: str) -> str:
    """What a pattern finds in a code: the first of its groups that took part, or without any its whole match."""
    found = pattern.search(code)
    if found is None:
        return ""
    return next((group for group in found.groups() if group), "") if pattern.groups else found.group()


def walking_order(code: str) -> list[tuple[int, str]]:
    """A key that sorts A-2 before A-10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", code)]
