"""A WMS that answers JSON over HTTP: two addresses, and JMESPath expressions that find locations and stock in them."""

from pathlib import Path
from typing import Annotated, Any, Literal

import httpx2
import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult
from pydantic import AfterValidator, BaseModel, ConfigDict

from warehouse.connectors.http_client import HttpClient, headers_from, plain_client
from warehouse.connectors.secret import SecretPath
from warehouse.connectors.sync.client_token import ClientToken, OAuthSettings
from warehouse.connectors.sync.paging import AnswerParts, next_link
from warehouse.connectors.sync.polled import PolledSource
from warehouse.connectors.sync.source import SourceError, StockSnapshot, managed_codes, stock_rows
from warehouse.connectors.web_address import WebAddress

MAX_PAGES = 10_000
_REMEDY = (
    "ask for all at once, or name the next page's place with source.following, as '@.next'; if it is all there is, set "
    "source.whole"
)


def _expression(text: str) -> str:
    try:
        jmespath.compile(text)
    except JMESPathError as error:
        raise ValueError(f"no JMESPath expression ({' '.join(str(error).split())})") from error
    return text


Expression = Annotated[str, AfterValidator(_expression)]


class HttpSettings(BaseModel):
    """`[source]` with `kind = "http"`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["http"]
    """JSON over HTTP."""
    managed_url: WebAddress
    """Answers with every managed location."""
    managed: Expression
    """JMESPath: a list of objects with `location`, as `items[].{location: code}`."""
    stock_url: WebAddress
    """Answers with what stands where."""
    stock: Expression
    """JMESPath: a list of objects with `location`, `sku` and, if it is known, `quantity`."""
    following: Expression | None = None
    """JMESPath: the next page's address in an answer, as `next` or `d.__next`; without it `Link: rel="next"` counts."""
    whole: bool = False
    """An answer that leads to no other page is all there is, whatever it says of pages and totals."""
    headers_file: SecretPath | None = None
    """File with headers of every request, one a line as `X-Api-Key: ...`, for you alone."""
    oauth: OAuthSettings | None = None
    """How a token is got."""
    ca_file: Path | None = None
    """Authorities that may vouch for the server (PEM); else the system's."""


class HttpSource(PolledSource):
    """Follows pages (`Link: <...>; rel="next"`, or as `following` says), and asks by ETag whether something is new."""

    def __init__(self, settings: HttpSettings) -> None:
        """Prepare.

        Raises:
            UsageError: a file of its settings can't be used.
        """
        self._settings = settings
        self._managed: ParsedResult = jmespath.compile(settings.managed)
        self._stock: ParsedResult = jmespath.compile(settings.stock)
        self._next: ParsedResult | None = jmespath.compile(settings.following) if settings.following else None
        self._client = HttpClient(_client(settings), SourceError)
        self._token = ClientToken(settings.oauth, settings.ca_file) if settings.oauth else None
        super().__init__(self._client, *([self._token] if self._token else []))
        self._kept: dict[str, tuple[str, list[Any]]] = {}
        """By question: the ETag of a whole answer, and what was found in it."""
        self.name = settings.stock_url

    def read(self) -> StockSnapshot:
        """Both questions, one after the other."""
        managed = managed_codes(
            self._found(self._settings.managed_url, self._managed, "source.managed"), "source.managed"
        )
        return StockSnapshot(
            managed, stock_rows(self._found(self._settings.stock_url, self._stock, "source.stock"), "source.stock")
        )

    def _found(self, url: str, expression: ParsedResult, key: str) -> list[Any]:
        etag, kept = self._kept.get(key, ("", []))
        response = first = self._asked(url, {"If-None-Match": etag} if etag else {})
        if response.status_code == httpx2.codes.NOT_MODIFIED and etag:
            return kept
        page = self._client.json(response)
        found, seen, parts = _rows(expression, page, f"{url}: {key}"), {url}, AnswerParts()
        rows = len(found)
        while following := self._following(response, page, parts, rows):
            address = self._client.neighbour(response, following)
            if address in seen or len(seen) == MAX_PAGES:
                raise SourceError(f"{url}: its pages lead in a circle, or are more than {MAX_PAGES}")
            seen.add(address)
            response = self._asked(address, {})
            page = self._client.json(response)
            more = _rows(expression, page, f"{url}: {key}")
            found, rows = found + more, len(more)
        # a later page may change alone, so that only an answer of one page is known by its ETag
        self._kept[key] = (first.headers.get("etag", "") if len(seen) == 1 else "", found)
        return found

    def _following(self, response: httpx2.Response, page: Any, parts: AnswerParts, rows: int) -> str:
        """The address of the next page; empty: it is the last one."""
        where = response.request.url
        if self._next is None:
            found = next_link(response)
        elif not isinstance(found := _searched(self._next, page, f"{where}: source.following") or "", str):
            raise SourceError(f"{where}: source.following: finds no address, but {str(found)[:40]!r}")
        sign = parts.sign_of_more(response, page, rows, is_last=not found)
        if sign and not self._settings.whole:
            raise SourceError(f"{where}: says that there is more ({sign}): {_REMEDY}")
        return found

    def _asked(self, url: str, headers: dict[str, str]) -> httpx2.Response:
        if self._token is None:
            return self._client.request("GET", url, headers=headers)
        had_one = self._token.is_held
        try:
            return self._client.request("GET", url, headers=headers | self._token.header())
        except SourceError as error:
            if error.status != httpx2.codes.UNAUTHORIZED:
                raise
            self._token.forget()  # it may have been withdrawn, or never say when it ends
            if not had_one:
                raise
        return self._client.request("GET", url, headers=headers | self._token.header())


def _rows(expression: ParsedResult, page: Any, where: str) -> list[Any]:
    found = _searched(expression, page, where)
    if not isinstance(found, list):
        raise SourceError(f"{where}: finds no list in the answer: correct the expression")
    return found


def _searched(expression: ParsedResult, page: Any, where: str) -> Any:
    """What an expression finds; its functions may fail on what an answer has in ways of Python's own, too."""
    try:
        return expression.search(page)
    except (JMESPathError, ArithmeticError, TypeError, ValueError, RecursionError) as error:
        raise SourceError(f"{where}: {' '.join(str(error).split())}: correct the expression") from error


def _client(settings: HttpSettings) -> httpx2.Client:
    return plain_client(settings.ca_file, headers_from("source.headers_file", settings.headers_file))
