"""Waits until a time of day that is noted in the database, since several processes share them, and last over a restart.

A calendar may be set back: what was noted before would wait for as long as the clock had been ahead. No wait is longer
than its longest, so one that seems to be is over.
"""

from sqlalchemy import ColumnElement, or_

MAX_PAUSE_S = 300.0
"""The longest pause between two attempts to deliver."""
MAX_WAIT_S = 3600.0
"""Longer than any pause, or lease of one alert."""


def is_over(until_unix_s: ColumnElement[float], now_unix_s: float, longest_s: float) -> ColumnElement[bool]:
    """Which rows wait no longer: a condition of a query."""
    return or_(until_unix_s <= now_unix_s, until_unix_s > now_unix_s + longest_s)


def waits(until_unix_s: float, now_unix_s: float, longest_s: float) -> bool:
    """Whether something that was noted still waits."""
    return now_unix_s < until_unix_s <= now_unix_s + longest_s
