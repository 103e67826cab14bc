"""Finds the agent and location of alerts that somebody has clicked on: also those of which no event has come yet.

A state is retained, so that the work list shows its alert before an agent that was away has sent what it kept; and an
event may be lost for good.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from kardus.contract.verdicts import ALERTS, UNVERIFIED
from warehouse.console.pages.words.languages import N_
from warehouse.console.problems import ProblemError
from warehouse.console.shown import message_data
from warehouse.store.tables import alerts, latest, latest_verdict

_KNOWN = select(alerts.c.id, alerts.c.agent, alerts.c.location, alerts.c.status)


@dataclass(frozen=True)
class AlertPlace:
    """Whose alert it is, and of what."""

    id: str
    agent: str
    location: str
    status: str


def alert_places(connection: Connection, ids: Sequence[str]) -> list[AlertPlace]:
    """Of each of these alerts, in their order.

    Raises:
        ProblemError: 404: there is none with one of these ids.
    """
    found = {row.id: AlertPlace(*row) for row in connection.execute(_KNOWN.where(alerts.c.id.in_(ids)))}
    if lacking := set(ids) - found.keys():
        found |= _of_states(connection, lacking)
    if set(ids) - found.keys():
        raise ProblemError(404, N_("There is no such alert any more: load the list again."))
    return [found[id_] for id_ in ids]


def _of_states(connection: Connection, ids: set[str]) -> dict[str, AlertPlace]:
    """Those that states tell of."""
    chosen = select(latest.c.agent, latest.c.payload).where(
        latest.c.kind == "state", latest_verdict.in_([verdict.value for verdict in (*ALERTS, *UNVERIFIED)])
    )
    found = {}
    for row in connection.execute(chosen):
        state = message_data(row)
        alert = state.get("alert") or {}
        if alert.get("id") in ids:
            found[alert["id"]] = AlertPlace(alert["id"], row.agent, state["location"], alert["status"])
    return found
