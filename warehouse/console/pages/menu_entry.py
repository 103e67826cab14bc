"""An entry of the page's menu."""

from dataclasses import dataclass

from warehouse.console.identity.roles import Role


@dataclass(frozen=True)
class MenuEntry:
    """A page that the menu leads to."""

    path: str
    label: str
    """In English, marked by `N_`."""
    role: Role
    """Who sees it."""
    order: int
    """Where it stands: the lowest first."""
    below: tuple[str, ...] = ()
    """Paths of the pages that are reached from it and stand nowhere in the navigation."""

    def mark(self, here: str) -> str:
        """How it is marked for who is at this path (`aria-current`): `page`, `true` for one below it, or empty."""
        if here == self.path:
            return "page"
        found = (self.path, *self.below) if self.path != "/" else self.below
        return "true" if any(here == one or here.startswith(f"{one}/") for one in found) else ""
