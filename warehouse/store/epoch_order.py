"""Which of an agent's epochs comes after which, whatever the order in which they are heard of."""

from typing import Any

from sqlalchemy import ColumnElement, func

from warehouse.store.tables import epochs, events


def latest_first() -> tuple[ColumnElement[Any], ...]:
    """The order of events of one agent, joined with their epochs: the one it counts in now first."""
    return (
        func.coalesce(epochs.c.present, 2).desc(),
        func.coalesce(epochs.c.number, 0).desc(),
        events.c.sequence.desc(),
        events.c.number.desc(),
    )
