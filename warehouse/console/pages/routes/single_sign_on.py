"""Sign-in by a provider: the browser goes there by a link, and comes back with a code."""

import logging
import secrets
from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from kardus.support.errors import UsageError
from warehouse.console.context import Console, Served, client_address, slow_down
from warehouse.console.identity.auditing import AuditRow
from warehouse.console.identity.oidc_people import NameTakenError, person_from
from warehouse.console.identity.people import MAX_NAME
from warehouse.console.pages.rendering import HEADERS
from warehouse.console.pages.routes.entering import let_in, local_path
from warehouse.console.pages.words.languages import N_
from warehouse.console.problems import ProblemError
from warehouse.oidc.errors import SignInRefusedError, UnreachableError
from warehouse.oidc.identity import Identity
from warehouse.oidc.provider import IdentityProvider

router = APIRouter()
PATH = "/signin/provider"
BEGUN_S = 900
"""So long somebody may take to sign in there."""
MAX_PATH = 1000
AWAY = N_("The sign-in provider can't be reached now: try again in a moment, or use a password.")
ANSWER_REFUSED = N_(
    "The sign-in provider's answer can't be used: begin again; an administrator finds the reason in the log."
)
NO_ROLE = N_("You may not come in: ask an administrator for a role at the sign-in provider.")
TAKEN = N_(
    "Somebody else here has your name: ask an administrator to remove that user, or to have you named otherwise."
)
log = logging.getLogger("kardus.page")
Text = Annotated[str, Query(max_length=4000)]


@router.get(PATH, response_class=Response)
def begin(request: Request, next: str = "/") -> Response:  # noqa: A002 - the address's word
    """To the provider; this browser alone can finish it."""
    provider = _provider(request)
    secret = secrets.token_urlsafe(32)
    try:
        there = provider.begin(secret)
    except UnreachableError as error:
        log.warning("sign-in provider: %s", error)
        raise ProblemError(503, AWAY) from error
    answer = RedirectResponse(there, 303, HEADERS)
    to = quote(local_path(next)[:MAX_PATH], safe="")
    name, encrypted = _cookie(request), request.app.state.page.encrypted
    # lax: it is to come along when the provider sends the browser back
    answer.set_cookie(
        name, f"{secret}:{to}", max_age=BEGUN_S, path="/", secure=encrypted, httponly=True, samesite="lax"
    )
    return answer


@router.get("/signin/callback", response_class=Response)
def finish(
    request: Request,
    console: Served,
    code: Text = "",
    state: Text = "",
    iss: Text = "",
    error: Text = "",
) -> Response:
    """Back from the provider: with a code, or with the reason why not."""
    provider = _provider(request)
    secret, _, to = request.cookies.get(_cookie(request), "").partition(":")
    if error or not code:
        raise _refused(request, console, f"the provider refuses: {error or 'no code'}", ANSWER_REFUSED)
    identity = _identity(request, console, provider, secret, code=code, state=state, issuer=iss)
    try:
        person = person_from(console.database, identity, client_address(request))
    except (NameTakenError, UsageError) as problem:
        raise _refused(request, console, str(problem), TAKEN, identity.name) from problem
    if person is None:
        raise _refused(request, console, "no role", NO_ROLE, identity.name)
    answer = let_in(request, console, person, unquote(to))
    answer.delete_cookie(_cookie(request), path="/", secure=request.app.state.page.encrypted)
    return answer


def _identity(request: Request, console: Console, provider: IdentityProvider, secret: str, **back: str) -> Identity:
    try:
        return provider.finish(secret, **back)
    except UnreachableError as error:
        log.warning("sign-in provider: %s", error)
        raise ProblemError(503, AWAY) from error
    except SignInRefusedError as error:
        raise _refused(request, console, str(error), ANSWER_REFUSED) from error


def _refused(request: Request, console: Console, reason: str, words: str, name: str = "") -> ProblemError:
    """Note it, and make the attempt cost what a wrong password costs."""
    slow_down(console.wrong, client_address(request))
    log.warning("sign-in by the provider refused: %s", reason[:500])
    console.audit.note(AuditRow("", client_address(request), "sign-in-refused", name[:MAX_NAME], reason[:500]))
    return ProblemError(403, words)


def _provider(request: Request) -> IdentityProvider:
    found: IdentityProvider | None = request.app.state.page.provider
    if found is None:
        raise ProblemError(404, N_("There is nothing at this address."))
    return found


def _cookie(request: Request) -> str:
    return "__Host-kardus_begun" if request.app.state.page.encrypted else "kardus_begun"
