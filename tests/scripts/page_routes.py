"""Writes docs/routes.md, which role may call which route of the page: `python -m tests.scripts.page_routes`.

It is made from the routes themselves; a test compares the file with what this writes, and each route with its line.
"""

from pathlib import Path

from fastapi.routing import APIRoute

from warehouse.console.identity.roles import Role
from warehouse.console.pages.menu import PAGE_MODULES

PAGE = Path(__file__).parents[2] / "docs" / "routes.md"
OPEN = frozenset(
    {
        "/signin",
        "/signin/provider",
        "/signin/callback",
        "/enter/{secret}",
        "/preferences",
        "/static/{name}",
        "/bundles/{sha256}",
    }
)
"""Whoever isn't in may come here."""
HEAD = """<!-- Written by `python -m tests.scripts.page_routes` from the code: don't edit here. -->
# The page's routes, and who may call them

Each role may do what the one before may. What changes something (POST) needs the session's token too. Where nobody has
to be in it says "anybody".

| route | method | """


def routes() -> list[APIRoute]:
    """Of the pages, in the order in which they are looked through."""
    return [route for part in PAGE_MODULES for route in part.router.routes if isinstance(route, APIRoute)]


def role_of(route: APIRoute) -> Role | None:
    """What a route asks for, by its dependencies."""
    found = [getattr(dependency.call, "role", None) for dependency in route.dependant.dependencies]
    return next((role for role in found if role is not None), None)


def written() -> str:
    """The page."""
    columns = ["anybody", *(role.word for role in Role)]
    lines = [HEAD + " | ".join(columns) + " |", "|---|---|" + "---|" * len(columns)]
    for route in sorted(routes(), key=lambda one: (one.path, sorted(one.methods or ()))):
        needed = role_of(route)
        may = ["yes" if needed is None else "", *("yes" if needed is None or role >= needed else "" for role in Role)]
        lines += [f"| `{route.path}` | {method} | {' | '.join(may)} |" for method in sorted(route.methods or ())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
