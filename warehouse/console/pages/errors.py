"""Errors for people: a page in their language; for htmx a text, and the way in where nobody is in."""

from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import WebSocketRequestValidationError
from starlette.responses import RedirectResponse

from warehouse.console.pages.access import SignInError
from warehouse.console.pages.rendering import HEADERS, language_of, page, translator
from warehouse.console.pages.words.languages import N_
from warehouse.console.problems import ProblemError

Handler = Callable[[Request, Exception], Awaitable[Response]]
NOT_PAGES = ("/api/", "/healthz")
MESSAGES = {
    400: N_("This can't be read: load the page again."),
    404: N_("There is nothing at this address."),
    405: N_("There is nothing at this address."),
    413: N_("That is too long."),
    414: N_("That is too long."),
    422: N_("One of the values can't be used: check what you have entered."),
    429: N_("Too many requests: wait a moment."),
    503: N_("The database or the broker can't be reached now: try again in a moment."),
}
_OTHER = N_("The server made a mistake: its log has it.")


def explain_to_people(app: FastAPI) -> None:
    """Let the errors of pages be pages; those of the API stay problems. After `explain_errors`."""
    for kind, handler in list(app.exception_handlers.items()):
        if kind is WebSocketRequestValidationError:
            continue  # there are none
        app.add_exception_handler(kind, _for_people(cast("Handler", handler)))


def _for_people(former: Handler) -> Any:
    async def for_people(request: Request, error: Exception) -> Response:
        answer = await former(request, error)
        if request.url.path.startswith(NOT_PAGES):
            return answer
        return _answer(request, error, answer)

    return for_people


def _answer(request: Request, error: Exception, answer: Response) -> Response:
    is_htmx = "hx-request" in request.headers
    if isinstance(error, SignInError):
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        to = f"/signin?next={quote(here)}" if request.method == "GET" and not is_htmx else "/signin"
        if is_htmx or request.method != "GET" or request.url.path.startswith("/live"):
            return Response(translator(request)(error.detail), 401, {**HEADERS, "HX-Redirect": to}, "text/plain")
        return RedirectResponse(to, 303, HEADERS)
    _ = translator(request)
    words = _(MESSAGES.get(answer.status_code, _OTHER))
    if isinstance(error, ProblemError) and (_(error.detail) != error.detail or language_of(request) == "en"):
        words = _(error.detail)  # else it is one of the API's, which programs read
    retry = {name: value for name, value in answer.headers.items() if name == "retry-after"}
    if is_htmx or "text/html" not in request.headers.get("accept", ""):
        return Response(words, answer.status_code, {**HEADERS, **retry}, "text/plain; charset=utf-8")
    found = page(request, "error.html.jinja", answer.status_code, title=_("That didn't work"), words=words)
    found.headers.update(retry)
    return found
