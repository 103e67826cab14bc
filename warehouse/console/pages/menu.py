"""Every page, and the navigation made of them."""

from fastapi import FastAPI

from warehouse.console.pages import static_files
from warehouse.console.pages.errors import explain_to_people
from warehouse.console.pages.menu_entry import MenuEntry
from warehouse.console.pages.routes import (
    account,
    commissioning,
    enrolment,
    entering,
    fleet,
    live,
    location,
    people_page,
    pictures,
    precision,
    racks,
    rollout,
    single_sign_on,
    teaching,
    trends,
    work,
)
from warehouse.console.pages.settings import PageSettings
from warehouse.console.pages.tables import exports, rack_exports, teaching_exports

PAGE_MODULES = (
    racks,
    fleet,
    trends,
    rollout,
    people_page,
    exports,
    rack_exports,
    teaching_exports,
    work,
    teaching,
    precision,
    enrolment,
    commissioning,
    live,
    location,
    pictures,
    account,
    entering,
    single_sign_on,
    static_files,
)
"""The pages' modules: each has a `router`, and a `MENU_ENTRY` where it stands in the navigation."""


def add_pages(app: FastAPI, settings: PageSettings) -> None:
    """Let the application serve the page."""
    app.state.page = settings
    entries: list[MenuEntry] = [part.MENU_ENTRY for part in PAGE_MODULES if hasattr(part, "MENU_ENTRY")]
    app.state.menu = sorted(entries, key=lambda entry: entry.order)
    for part in PAGE_MODULES:
        app.include_router(part.router, include_in_schema=False)
    explain_to_people(app)
