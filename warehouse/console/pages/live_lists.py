"""Lists as they are shown live: the whole anew, made once for all who see it alike, and sent where it has changed."""

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import Connection

from warehouse.console.identity.roles import Role
from warehouse.console.live.audiences import WholeViewAudience
from warehouse.console.live.changes import StoredChange
from warehouse.console.pages.rendering import part
from warehouse.console.pages.settings import PageSettings
from warehouse.console.pages.words.languages import LocalFormat

SHOWN_BY = frozenset({"event", "comment", "task", "state", "agent", "camera"})
"""Changes after which a list may say something else."""
_LINES = re.compile(r"\r\n|\r|\n")
_AGE = re.compile(r"(<time data-age [^>]*>)[^<]*")
"""Ages go on in the browser by themselves."""


@dataclass(frozen=True)
class AskedList:
    """What of a list was asked for."""

    of: str = ""
    """Only this aisle's, or what this person has taken; empty: all."""
    part: int = 1
    """From 1; a list that has fewer parts by now shows its last."""
    at: str = ""
    """The part with this location, or rack, whatever its number; where it isn't in the list, `part` counts."""


@dataclass(frozen=True)
class ListKind:
    """One of the lists that are shown live, and how it is rendered."""

    template: str
    every_s: float
    words: Callable[[Connection, PageSettings, AskedList], dict[str, Any]]
    """What its template needs, of what was asked for."""


@dataclass(frozen=True)
class ListRights:
    """What somebody may do in a list, as its template asks it: those who may do the same see the same."""

    may_act: bool
    may_teach: bool

    @classmethod
    def of(cls, role: Role) -> Self:
        """What somebody with this role may do."""
        return cls(role >= Role.OPERATOR, role >= Role.SUPERVISOR)


@dataclass(frozen=True)
class ListAudience(WholeViewAudience):
    """Who sees a list in one language, of one choice, and may do the same in it."""

    kind: ListKind
    local: LocalFormat
    asked: AskedList
    rights: ListRights
    settings: PageSettings = field(compare=False, repr=False)

    @property
    def every_s(self) -> float:  # type: ignore[override]  # the list's own
        """As the list says."""
        return self.kind.every_s

    def concerns(self, change: StoredChange) -> bool:
        """Whatever is in a list."""
        return change.kind in SHOWN_BY

    def read(self, connection: Connection) -> dict[str, Any]:
        """What the list's template needs."""
        return self.kind.words(connection, self.settings, self.asked)

    def show(self, read: dict[str, Any]) -> tuple[bytes, Hashable]:
        """The list; ages count for nothing."""
        html = part(self.local, self.kind.template, **vars(self.rights), **read)
        data = "\n".join(f"data: {line}" for line in _LINES.split(html))
        return f"event: part\n{data}\n\n".encode(), hash(_AGE.sub(r"\1", html))
