"""What the routes share: the store, and who asks. The page lets people in by a cookie: see pages/access.py."""

import hashlib
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from anyio import to_thread
from fastapi import Depends, Query, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, AwareDatetime
from pydantic_core import to_json
from sqlalchemy import Connection

from kardus.contract.messages import in_utc
from warehouse.console.agents.asking import AgentQuestions
from warehouse.console.cursors import MAX_LENGTH
from warehouse.console.identity.auditing import AuditLog, AuditRow
from warehouse.console.identity.scopes import Scope
from warehouse.console.identity.tokens import Principal, principal_of
from warehouse.console.limits import RateLimit
from warehouse.console.live.feed import Feed
from warehouse.console.problems import ProblemError
from warehouse.store.database import Database

MAX_ITEMS = 500
KNOWN_S = 2.0
"""So long a token that was good is taken for good without another look."""
MAX_KNOWN = 1000
WRONG_TOKENS_S = 0.2
"""So many wrong tokens a second are looked at from one address ..."""
WRONG_TOKENS = 10
"""... and so many at once."""
_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="`kardus-wms tokens make` makes one.")


@dataclass(frozen=True)
class Console:
    """What the routes of one server share."""

    database: Database
    pictures: str
    """Where pictures are; empty: where the database has it noted."""
    feed: Feed
    audit: AuditLog
    rate: RateLimit
    """Of each token."""
    wrong: RateLimit
    """Of each address, for requests without a good token."""
    known: "KnownTokens"
    asking: AgentQuestions | None
    """None: without a broker nothing can be asked of agents."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view of the database."""
        with self.database.reading() as connection:
            yield connection


class KnownTokens:
    """Who showed which token a moment ago: the database is asked once in that time. In the event loop alone."""

    def __init__(self, database: Database) -> None:
        """Nobody has come yet."""
        self._database = database
        self._found: dict[bytes, tuple[float, Principal]] = {}

    async def principal(self, text: str) -> Principal | None:
        """Who it is; None: nobody is let in with this.

        Raises:
            StoreError: the database can't be read.
        """
        now, key = time.monotonic(), hashlib.sha256(text.encode()).digest()
        at, who = self._found.get(key, (0.0, None))
        if who is not None and now - at < KNOWN_S:
            return who
        found = await to_thread.run_sync(principal_of, self._database, text)
        if len(self._found) >= MAX_KNOWN:
            self._found.clear()
        self._found.pop(key, None)
        if found is not None:
            self._found[key] = (now, found)
        return found


async def console_of(request: Request) -> Console:
    """The server that a request came to. Not in a thread of its own: that would take longer than the rest."""
    found: Console = request.app.state.console
    return found


Served = Annotated[Console, Depends(console_of)]
BearerToken = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
Limit = Annotated[int, Query(ge=1, le=MAX_ITEMS, description="How many items at most.")]
Cursor = Annotated[str | None, Query(max_length=MAX_LENGTH, description="`next` of the part before.")]


Moment = Annotated[AwareDatetime, AfterValidator(in_utc)]


def require(scope: Scope) -> Callable[..., Awaitable[Principal]]:
    """A dependency: who asks, with a token that has this scope, and not too often."""

    async def principal(request: Request, console: Served, given: BearerToken) -> Principal:
        found = await console.known.principal(given.credentials) if given else None
        if found is None:
            slow_down(console.wrong, client_address(request))
            words = "this token lets nobody in" if given else "send a token: Authorization: Bearer kardus_..."
            raise ProblemError(401, words, {"WWW-Authenticate": "Bearer"})
        slow_down(console.rate, found.id)
        if scope not in found.scopes:
            raise ProblemError(403, f"the token has no scope '{scope}': have one made that does")
        return found

    return principal


Reader = Annotated[Principal, Depends(require("read"))]
Viewer = Annotated[Principal, Depends(require("pictures"))]
Actor = Annotated[Principal, Depends(require("act"))]
Teacher = Annotated[Principal, Depends(require("teach"))]
Auditor = Annotated[Principal, Depends(require("audit"))]


def client_address(request: Request) -> str:
    """The client's network address: of a trusted proxy's client, where it says so."""
    return request.client.host if request.client else ""


def entry_of(request: Request, who: Principal, action: str, subject: str, detail: str = "") -> AuditRow:
    """A line of the audit log."""
    return AuditRow(str(who), client_address(request), action, subject, detail)


def json_answer(request: Request, content: dict[str, Any]) -> Response:
    """An answer as JSON, with its ETag; 304 without a body where the client has just this."""
    body = to_json(content)
    return tagged(request, body, "application/json", hashlib.sha256(body).hexdigest()[:32])


def tagged(request: Request, body: bytes, kind: str, tag: str) -> Response:
    """A body with an ETag, or 304: to be kept by the client alone, and asked for again each time."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache", "Vary": "Authorization"}
    known = [part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")]
    if headers["ETag"] in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=kind)


def slow_down(limit: RateLimit, client: str, cost: float = 1.0) -> None:
    """Take a request's cost from what a client has left.

    Raises:
        ProblemError: 429: nothing is left.
    """
    wait_s = limit.wait_s(client, cost)
    if wait_s:
        raise ProblemError(429, "too many requests: wait as Retry-After says", {"Retry-After": str(math.ceil(wait_s))})
