"""Lets people in to a route: by their session, with the role that the route needs, and with their own forms alone."""

import hmac
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from anyio import to_thread
from fastapi import Depends, Request

from warehouse.console.context import Served, slow_down
from warehouse.console.identity.roles import Role
from warehouse.console.identity.sessions import Visit, visit_of
from warehouse.console.pages.words.languages import N_
from warehouse.console.problems import ProblemError

READING = frozenset({"GET", "HEAD"})
MAX_FIELDS = 2000
MAX_FIELD = 20_000
CSRF_HEADER = "X-CSRF-Token"


class SignInError(ProblemError):
    """Nobody is in: the browser is sent to the way in."""

    def __init__(self) -> None:
        """Answer 401."""
        super().__init__(401, N_("Sign in first."))


def cookie_name(*, encrypted: bool) -> str:
    """The session's cookie; with TLS browsers take it from this very host alone, over TLS alone."""
    return "__Host-kardus" if encrypted else "kardus_session"


def cookie_of(request: Request) -> str:
    """The session's secret that a request shows; empty: none."""
    return request.cookies.get(cookie_name(encrypted=request.app.state.page.encrypted), "")


def needs(role: Role, cost: float = 1.0) -> Any:
    """A dependency: who asks, with this role or a higher one; `cost` as the rate limit counts the request.

    What changes something brings the session's token along: as the form's field `csrf`, or in the header
    `X-CSRF-Token`.
    """

    async def visit(request: Request, console: Served) -> Visit:
        found = await to_thread.run_sync(visit_of, console.database, cookie_of(request))
        if found is None:
            raise SignInError
        request.state.visit = found
        slow_down(console.rate, found.person.id, cost)
        if request.method not in READING:
            require_same_site(request)
            await _require_token(request, found)
        if found.person.role < role:
            raise ProblemError(403, N_("Your role doesn't allow this: ask a supervisor or an administrator."))
        return found

    visit.role = role  # type: ignore[attr-defined]  # the tests' table of roles is made from it
    return Depends(visit)


async def form_fields(request: Request) -> dict[str, str]:
    """What a form has sent (application/x-www-form-urlencoded), the last of each name."""
    try:
        sent = (await request.body()).decode()
        found = dict(parse_qsl(sent, keep_blank_values=True, strict_parsing=bool(sent), max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise ProblemError(422, N_("The form can't be read: load the page again.")) from error
    if any(len(text) > MAX_FIELD or "\x00" in text for text in found.values()):
        raise ProblemError(422, N_("The form can't be read: load the page again."))
    return found


ViewerVisit = Annotated[Visit, needs(Role.VIEWER)]
OperatorVisit = Annotated[Visit, needs(Role.OPERATOR)]
SupervisorVisit = Annotated[Visit, needs(Role.SUPERVISOR)]
AdministratorVisit = Annotated[Visit, needs(Role.ADMINISTRATOR)]
FormFields = Annotated[dict[str, str], Depends(form_fields)]


def require_same_site(request: Request) -> None:
    """Refuse what another site's page has sent, also where there is no session yet (the way in).

    Browsers say it in `Sec-Fetch-Site`, which no page can set; where that is missing, their `Origin` counts. `Origin`
    alone would not do: it is `null` for our own forms too where a proxy or a setting keeps addresses back.

    Raises:
        ProblemError: 403: it has.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host", "")
    if foreign:
        raise ProblemError(403, N_("The form came from another site: load the page again."))


async def _require_token(request: Request, visit: Visit) -> None:
    shown = request.headers.get(CSRF_HEADER, "")
    if not shown and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        shown = (await form_fields(request)).get("csrf", "")
    if not hmac.compare_digest(shown.encode(), visit.csrf.encode()):
        raise ProblemError(403, N_("The page is too old: load it again."))
