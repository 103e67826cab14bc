"""Orders an agent's epochs, whatever the order in which they are heard of.

Epochs that are UUIDs of version 7 have the order of their names (docs/messages.md); others, of earlier versions of the
agent, come before them, as they were first seen. The one that the agent says it counts in now comes last of all: a
machine that lost its disk and has a wrong clock can't name a higher one.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Case, ColumnElement, case, func

from kardus.support.identifiers import is_uuid7, moment_of
from warehouse.store.tables import epochs, events

Rank = tuple[int, str, int]
"""Whether it is the present one, its name where that has an order, and its number."""
MAX_LATE = timedelta(days=1)
_VERSION_AT, _LENGTH = 15, 36


def epoch_rank(epoch: str, number: int, *, is_present: bool) -> Rank:
    """What epochs of one agent are compared by; `number` says in which order the store has heard of them."""
    return (int(is_present), _ordered(epoch), number)


def is_later(one: tuple[str, int], other: tuple[str, int]) -> bool:
    """Whether an epoch, given by name and number, comes after another one, wherever the agent counts now."""
    return epoch_rank(*one, is_present=False) > epoch_rank(*other, is_present=False)


def is_outdated(said: datetime, epoch: str) -> bool:
    """Whether something was said before an epoch began, and comes late.

    What is older by more is of a machine with a wrong clock: no receiver is so far behind.
    """
    return is_uuid7(epoch) and timedelta() < moment_of(epoch) - said < MAX_LATE


def latest_first() -> tuple[ColumnElement[Any], ...]:
    """The order of events of one agent, joined with their epochs: by epoch and sequence, the last of all first."""
    return (
        func.coalesce(epochs.c.present, 2).desc(),
        _named().desc(),
        func.coalesce(epochs.c.number, 0).desc(),
        events.c.sequence.desc(),
        events.c.number.desc(),
    )


def _ordered(epoch: str) -> str:
    return epoch if is_uuid7(epoch) else ""


def _named() -> Case[str]:
    """`_ordered` for the databases: by the place of the version, in the order of bytes."""
    name = epochs.c.epoch
    is_named = (func.length(name) == _LENGTH) & (func.substr(name, _VERSION_AT, 1) == "7")
    return case((is_named, name), else_="")
