"""The pages of people, who may come in with which role, and of the audit log."""

from fastapi import APIRouter, Request, Response
from sqlalchemy import select
from starlette.responses import RedirectResponse

from kardus.support.errors import UsageError
from warehouse.console.context import Served, entry_of
from warehouse.console.identity.people import (
    MIN_PASSWORD,
    add_person,
    change_password,
    change_role,
    list_people,
    remove_person,
)
from warehouse.console.identity.roles import Role
from warehouse.console.pages.access import AdministratorVisit, FormFields, SupervisorVisit
from warehouse.console.pages.list_parts import PartNumber, part_of, written
from warehouse.console.pages.menu_entry import MenuEntry
from warehouse.console.pages.rendering import HEADERS, page, translator
from warehouse.console.pages.words.languages import N_
from warehouse.console.pages.words.role_words import ROLE_WORDS
from warehouse.console.problems import ProblemError
from warehouse.store.tables import audit

router = APIRouter()
MENU_ENTRY = MenuEntry("/people", N_("People"), Role.ADMINISTRATOR, 90, ("/audit",))
AUDIT_PART = 200
LINE_BYTES = 1550
"""Of a person with his forms, about, without the name."""
CHANGE_REFUSED = N_(
    "That can't be done: the name is taken or unknown, the password is too short, or nobody else administrates."
)


@router.get("/people", response_class=Response)
def show_people(request: Request, console: Served, __: AdministratorVisit, number: PartNumber = 1) -> Response:
    """Show everybody who may come in."""
    _ = translator(request)
    found = part_of(list_people(console.database), number, lambda one: LINE_BYTES + 6 * written(one.name))
    return page(request, "people.html.jinja", title=_("People"), people=found, roles=ROLE_WORDS, shortest=MIN_PASSWORD)


@router.post("/people", response_class=Response)
def change_people(request: Request, console: Served, visit: AdministratorVisit, form: FormFields) -> Response:
    """Add somebody, or change somebody's role or password, or remove him."""
    by = entry_of(request, visit.principal, "", "")
    database, name = console.database, form.get("name", "")
    try:
        match form.get("do", ""):
            case "add":
                add_person(database, name, form.get("role", ""), form.get("password") or " ", by=by)
            case "role":
                change_role(database, name, form.get("role", ""), by=by)
            case "password":
                change_password(database, name, form.get("password", ""), by=by)
            case "remove":
                remove_person(database, name, by=by)
            case _:
                raise ProblemError(422, N_("The form can't be read: load the page again."))
    except UsageError as error:
        raise ProblemError(422, CHANGE_REFUSED) from error
    return RedirectResponse("/people", 303, HEADERS)


@router.get("/audit", response_class=Response)
def show_audit(request: Request, console: Served, __: SupervisorVisit, before: int | None = None) -> Response:
    """Who did what, the latest first."""
    _ = translator(request)
    chosen = select(audit).order_by(audit.c.number.desc()).limit(AUDIT_PART + 1)
    if before is not None:
        chosen = chosen.where(audit.c.number < before)
    with console.reading() as connection:
        rows = connection.execute(chosen).all()
    following = rows[AUDIT_PART - 1].number if len(rows) > AUDIT_PART else None
    return page(request, "audit.html.jinja", title=_("Who did what"), rows=rows[:AUDIT_PART], next=following)
