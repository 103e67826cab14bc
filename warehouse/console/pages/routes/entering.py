"""The pages to sign in and out: by a password, or once by an address that the server printed."""

from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from warehouse.console.context import Console, Served, client_address, entry_of, slow_down
from warehouse.console.identity.auditing import AuditRow
from warehouse.console.identity.people import MAX_NAME, Person, add_person, find_person, set_language, with_password
from warehouse.console.identity.roles import Role
from warehouse.console.identity.sessions import (
    LONGEST,
    begin_session,
    end_session,
    forget_failures,
    locked_s,
    note_failure,
    visit_of,
)
from warehouse.console.pages.access import FormFields, ViewerVisit, cookie_name, cookie_of, require_same_site
from warehouse.console.pages.rendering import HEADERS, LANGUAGE_COOKIE, THEME_COOKIE, THEMES, page, translator
from warehouse.console.pages.words.languages import LANGUAGES, N_
from warehouse.console.problems import ProblemError
from warehouse.oidc.provider import IdentityProvider

router = APIRouter()
LOCAL_NAME = "local"
"""Who comes in by a printed address: whoever sees the server's own terminal."""
YEAR_S = 31_536_000
WRONG = N_("Name or password is wrong.")
LOCKED = N_("Too many wrong passwords: wait a little, or ask an administrator for a new one.")


@router.get("/signin", response_class=Response)
def sign_in_form(
    request: Request,
    console: Served,
    next: str = "/",  # noqa: A002 - the address's word
    out: str = "",
) -> Response:
    """The form; who is in already goes on. `out`: somebody who came by the provider has just signed out here."""
    if visit_of(console.database, cookie_of(request)) is not None:
        return RedirectResponse(local_path(next), 303, HEADERS)
    return _form(request, 200, next, is_out=out == "provider")


@router.post("/signin", response_class=Response)
def sign_in(request: Request, console: Served, form: FormFields) -> Response:
    """By name and password. A wrong one costs: the address waits after ten, the name is locked after five."""
    require_same_site(request)
    name, to = form.get("name", "")[:MAX_NAME].strip(), form.get("next", "/")
    if locked_s(console.database, name) > 0:
        return _form(request, 429, to, LOCKED)
    person = with_password(console.database, name, form.get("password", ""))
    if person is None:
        slow_down(console.wrong, client_address(request))
        note_failure(console.database, name)
        console.audit.note(AuditRow("", client_address(request), "sign-in-refused", name, ""))
        return _form(request, 401, to, WRONG)
    forget_failures(console.database, name)
    return let_in(request, console, person, to)


@router.get("/enter/{secret}", response_class=Response)
def enter_once(request: Request, console: Served, secret: str) -> Response:
    """By the address that the server printed when it started; it is good once."""
    if not request.app.state.page.links.use(secret):
        slow_down(console.wrong, client_address(request))
        raise ProblemError(403, N_("This link was used, or is too old: start the server again for a new one."))
    person = find_person(console.database, LOCAL_NAME)
    if person is None:
        person = add_person(console.database, LOCAL_NAME, Role.ADMINISTRATOR.word, "")
    return let_in(request, console, person, "/")


@router.post("/signout", response_class=Response)
def sign_out(request: Request, console: Served, visit: ViewerVisit) -> Response:
    """End the session; at the provider by which somebody came in he may sign out too."""
    end_session(console.database, cookie_of(request))
    console.audit.note(entry_of(request, visit.principal, "sign-out", visit.person.name))
    answer = RedirectResponse("/signin?out=provider" if visit.person.issuer else "/signin", 303, HEADERS)
    answer.delete_cookie(cookie_name(encrypted=request.app.state.page.encrypted), path="/")
    return answer


@router.post("/preferences", response_class=Response)
def prefer(request: Request, console: Served, form: FormFields) -> Response:
    """Language and theme, of this browser; the language of the person too. Needs nobody to be in."""
    require_same_site(request)
    answer = RedirectResponse(local_path(form.get("next", "/")), 303, HEADERS)
    encrypted = request.app.state.page.encrypted
    if (language := form.get("language", "")) in LANGUAGES:
        answer.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR_S, secure=encrypted, samesite="lax", httponly=True)
        if visit := visit_of(console.database, cookie_of(request)):
            set_language(console.database, visit.person.id, language)
    if (theme := form.get("theme", "")) in (*THEMES, "system"):
        answer.set_cookie(THEME_COOKIE, theme, max_age=YEAR_S, secure=encrypted, samesite="lax", httponly=True)
    return answer


def let_in(request: Request, console: Console, person: Person, to: str) -> Response:
    """Begin a session, always a new one: what a cookie said before is worth nothing."""
    secret = begin_session(console.database, person, cookie_of(request))
    console.audit.note(AuditRow(f"{person.name} ({person.id})", client_address(request), "sign-in", person.name, ""))
    answer = RedirectResponse(local_path(to), 303, HEADERS)
    encrypted = request.app.state.page.encrypted
    answer.set_cookie(
        cookie_name(encrypted=encrypted),
        secret,
        max_age=int(LONGEST.total_seconds()),
        path="/",
        secure=encrypted,
        httponly=True,
        samesite="lax",
    )
    return answer


def local_path(text: str) -> str:
    """Where to go on: on this server alone, whatever an address asks for."""
    found = urlsplit(text)
    is_local = not found.scheme and not found.netloc and text.startswith("/")
    return text if is_local and "\\" not in text and text.isprintable() and not text.startswith("//") else "/"


def _form(request: Request, status: int, to: str, words: str = "", *, is_out: bool = False) -> Response:
    _ = translator(request)
    provider: IdentityProvider | None = request.app.state.page.provider
    back = f"{provider.settings.address.rstrip('/')}/signin" if provider else ""
    return page(
        request,
        "signin.html.jinja",
        status,
        title=_("Sign in"),
        problem=_(words) if words else "",
        next=local_path(to),
        provider=provider.settings.name if provider else "",
        farewell=provider.farewell(back) if provider and is_out else "",
    )
