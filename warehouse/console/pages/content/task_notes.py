"""Notes who does what about alerts: what somebody holds nobody loses without being named."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from warehouse.console.pages.words.languages import N_
from warehouse.console.problems import ProblemError
from warehouse.store.tables import present, tasks

TAKEN = N_("%(name)s has taken this by now.")
_EMPTY: dict[str, Any] = {
    "taken_by": "",
    "taken": None,
    "taken_from": "",
    "known_by": "",
    "done_by": "",
    "done": None,
}


class TakenError(ProblemError):
    """Somebody else holds a task."""

    def __init__(self, holder: str) -> None:
        """409; `holder` has it."""
        super().__init__(409, TAKEN)
        self.holder = holder


def note_action(connection: Connection, name: str, ids: Sequence[str], action: str, holder: str) -> None:
    """Take, release, done, undo; `holder` is whom a taker has seen as who has it (`named`), and takes it over from.

    Raises:
        TakenError: somebody else has taken it.
    """
    held = select(tasks.c.alert, tasks.c.taken_by).where(tasks.c.alert.in_(ids), tasks.c.taken_by != "")
    holders = {row.alert: row.taken_by for row in connection.execute(held.with_for_update())}
    others = set(holders.values()) - {name}
    seen = {named(others), named(holders.values())}
    is_blind = {"take": holder not in seen, "release": name not in holders.values()}
    if others and is_blind.get(action):
        raise TakenError(min(others - {holder}, default=holder))
    now = present()
    for id_ in ids:
        holds = holders.get(id_, "")
        every: dict[str, dict[str, Any]] = {
            "take": {} if holds == name else {"taken_by": name, "taken": now, "taken_from": holds},
            "release": {"taken_by": "", "taken": None, "taken_from": ""} if holds == name else {},
            "done": {"done_by": name, "done": now},
            "undo": {"done_by": "", "done": None},
        }
        _set(connection, id_, every[action])


def named(names: Iterable[str]) -> str:
    """Who has a task, in one text: a pair's halves may be two people's."""
    return ", ".join(sorted(set(names) - {""}))


def note_known(connection: Connection, name: str, ids: Sequence[str]) -> None:
    """The agents have confirmed that somebody knows of these alerts."""
    for id_ in ids:
        _set(connection, id_, {"known_by": name})


def known_of(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of these alerts that are known to somebody, as their agents have confirmed to this server."""
    chosen = select(tasks.c.alert).where(tasks.c.alert.in_(ids), tasks.c.known_by != "")
    return set(connection.execute(chosen).scalars())


def _set(connection: Connection, id_: str, changed: dict[str, Any]) -> None:
    if changed and not connection.execute(update(tasks).where(tasks.c.alert == id_).values(**changed)).rowcount:
        connection.execute(insert(tasks).values(**{**_EMPTY, "alert": id_, **changed}))
