"""One's own account: password, language, theme."""

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from kardus.support.errors import UsageError
from warehouse.console.context import Served, address_of, entry_of, slow_down
from warehouse.console.pages.access import Form, ViewerVisit
from warehouse.console.pages.languages import N_
from warehouse.console.pages.rendering import HEADERS, page, text_of
from warehouse.console.people import MAX_PASSWORD, MIN_PASSWORD, change_password, with_password
from warehouse.console.problems import ProblemError

router = APIRouter()


@router.get("/account", response_class=Response)
def show(request: Request, __: ViewerVisit) -> Response:
    """The page."""
    _ = text_of(request)
    return page(request, "account.html.jinja", title=_("Account"), shortest=MIN_PASSWORD)


@router.post("/account/password", response_class=Response)
def change(request: Request, console: Served, visit: ViewerVisit, form: Form) -> Response:
    """Another password, by the former one; every session ends."""
    if with_password(console.database, visit.person.name, form.get("former", "")) is None:
        slow_down(console.wrong, address_of(request))
        raise ProblemError(403, N_("Name or password is wrong."))
    try:
        by = entry_of(request, visit.principal, "", "")
        change_password(console.database, visit.person.name, form.get("password", ""), by=by)
    except UsageError as error:
        _ = text_of(request)
        words = _("The password needs %(least)d to %(most)d characters.")
        raise ProblemError(422, words % {"least": MIN_PASSWORD, "most": MAX_PASSWORD}) from error
    return RedirectResponse("/signin", 303, HEADERS)
