"""The navigation's entries."""

from dataclasses import dataclass

from warehouse.console.roles import Role


@dataclass(frozen=True)
class LocationEntry:
    """One of them."""

    path: str
    label: str
    """In English, marked by `N_`."""
    role: Role
    """Who sees it."""
    order: int
    """Where it stands: the lowest first."""
