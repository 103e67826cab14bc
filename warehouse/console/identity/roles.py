"""The roles of people: each may do all that the one before may."""

from enum import IntEnum

from warehouse.console.identity.scopes import Scope


class Role(IntEnum):
    """A person's role; a higher one may do everything that a lower one may."""

    VIEWER = 1
    """Sees everything but who did what."""
    OPERATOR = 2
    """Takes tasks, acknowledges, comments, asks for a fresh look."""
    SUPERVISOR = 3
    """Corrects verdicts, teaches, commissions, offers models to agents; sees who did what."""
    ADMINISTRATOR = 4
    """Adds and removes people."""

    @property
    def word(self) -> str:
        """As commands and the database have it."""
        return self.name.lower()

    @property
    def scopes(self) -> frozenset[Scope]:
        """What the API lets them do."""
        found: set[Scope] = {"read", "pictures"}
        if self >= Role.OPERATOR:
            found.add("act")
        if self >= Role.SUPERVISOR:
            found |= {"teach", "audit"}
        return frozenset(found)


ROLES = {role.word: role for role in Role}
"""By their words."""
