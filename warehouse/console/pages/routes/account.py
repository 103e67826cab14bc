"""The page of one's own account: password, language, theme."""

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from kardus.support.errors import UsageError
from warehouse.console.context import Served, client_address, entry_of, slow_down
from warehouse.console.identity.people import MAX_PASSWORD, MIN_PASSWORD, change_password, with_password
from warehouse.console.pages.access import FormFields, ViewerVisit
from warehouse.console.pages.rendering import HEADERS, page, translator
from warehouse.console.pages.words.languages import N_
from warehouse.console.problems import ProblemError

router = APIRouter()


@router.get("/account", response_class=Response)
def show(request: Request, __: ViewerVisit) -> Response:
    """Show the account of who asks."""
    _ = translator(request)
    return page(request, "account.html.jinja", title=_("Account"), shortest=MIN_PASSWORD)


@router.post("/account/password", response_class=Response)
def renew_password(request: Request, console: Served, visit: ViewerVisit, form: FormFields) -> Response:
    """Another password, by the former one; every session ends."""
    if with_password(console.database, visit.person.name, form.get("former", "")) is None:
        slow_down(console.wrong, client_address(request))
        raise ProblemError(422, N_("Name or password is wrong."))
    try:
        by = entry_of(request, visit.principal, "", "")
        change_password(console.database, visit.person.name, form.get("password", ""), by=by)
    except UsageError as error:
        _ = translator(request)
        words = _("The password needs %(least)d to %(most)d characters.")
        raise ProblemError(422, words % {"least": MIN_PASSWORD, "most": MAX_PASSWORD}) from error
    return RedirectResponse("/signin", 303, HEADERS)
