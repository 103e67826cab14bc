"""Errors as RFC 9457 has them (`application/problem+json`): never a traceback."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from kardus.contract.base import Record
from kardus.support.errors import KardusError
from warehouse.store.database import NotStorableError, StoreError

MEDIA_TYPE = "application/problem+json"
NO_TEXT = 422
log = logging.getLogger("kardus.console")


class WrongValue(Record):
    """One value of a request that can't be used."""

    at: str
    """Where it stands: `query.limit`, `body.text`."""
    detail: str
    """What is wrong with it."""


class Problem(Record):
    """What went wrong, as RFC 9457 says it."""

    type: str = "about:blank"
    """Always `about:blank`: `status` says which kind it is."""
    title: str
    """The status in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What is wrong and what to do, in one line."""
    errors: tuple[WrongValue, ...] = ()
    """The values that can't be used."""


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        """The HTTP status, and what is wrong with the remedy, in one line."""
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


def problem(
    status: int, detail: str, headers: dict[str, str] | None = None, errors: tuple[WrongValue, ...] = ()
) -> Response:
    """A problem as the answer."""
    found = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, errors=errors)
    return Response(found.model_dump_json(), status, headers, MEDIA_TYPE)


def explain_errors(app: FastAPI) -> None:
    """Let every error of the application become a problem."""
    app.add_exception_handler(ProblemError, _problem_answer)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _wrong)
    app.add_exception_handler(StoreError, _unavailable)
    app.add_exception_handler(KardusError, _unavailable)
    app.add_exception_handler(Exception, _broken)


async def _problem_answer(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - as it was registered
    return problem(error.status, error.detail, error.headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as it was registered
    words = {404: "there is nothing at this address: see /api/v1/openapi.json", 405: "this method isn't served here"}
    headers = dict(error.headers) if error.headers else None
    return problem(error.status_code, words.get(error.status_code, str(error.detail)), headers)


async def _wrong(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as it was registered
    found = tuple(
        WrongValue(at=".".join(str(part) for part in one["loc"]), detail=str(one["msg"])) for one in error.errors()
    )
    first = found[0] if found else WrongValue(at="request", detail="can't be read")
    return problem(NO_TEXT, f"{first.at}: {first.detail}", errors=found)


async def _unavailable(_: Request, error: Exception) -> Response:
    if isinstance(error, NotStorableError):
        return problem(NO_TEXT, f"the database can't hold a value of this request ({error}): correct it")
    log.error("a request failed: %s", error)
    return problem(503, "the database can't be used now: try again, or see the server's log", {"Retry-After": "5"})


async def _broken(_: Request, error: Exception) -> Response:
    log.error("a request failed", exc_info=error)
    return problem(500, "the server made a mistake: its log has it; report it")
