"""A WMS that answers JSON over HTTP: two addresses, and JMESPath expressions that find locations and stock in them."""

import threading
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
from warehouse.connectors.sync.source import SourceError, StockSnapshot, managed_codes, stock_rows
from warehouse.connectors.web_address import WebAddress

MOST_PAGES = 10_000
_MORE = jmespath.compile(
    'next || nextLink || "@odata.nextLink" || d.__next || _links.next.href || links.next || meta.next || paging.next'
)
"""Where answers commonly say that they aren't all there is."""
_Answer = tuple[list[Any], tuple[str, ...]]


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
    headers_file: SecretPath | None = None
    """File with headers of every request, one a line as `X-Api-Key: ...`, for you alone."""
    oauth: OAuthSettings | None = None
    """How a token is got."""
    ca_file: Path | None = None
    """Authorities that may vouch for the server (PEM); else the system's."""


class HttpSource:
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
        self._kept: dict[str, tuple[str, list[Any]]] = {}
        """By address: the ETag of a whole answer, and what it said."""
        self.name = settings.stock_url

    def read(self) -> StockSnapshot:
        """Both questions, one after the other."""
        managed = managed_codes(
            self._found(self._settings.managed_url, self._managed, "source.managed"), "source.managed"
        )
        return StockSnapshot(
            managed, stock_rows(self._found(self._settings.stock_url, self._stock, "source.stock"), "source.stock")
        )

    def wait(self, stopping: threading.Event, seconds: float) -> None:
        """The whole interval: nothing tells."""
        stopping.wait(seconds)

    def stop(self) -> None:
        """Let a request under way end."""
        self._client.stop()
        if self._token is not None:
            self._token.stop()

    def close(self) -> None:
        """End."""
        self._client.close()
        if self._token is not None:
            self._token.close()

    def _found(self, url: str, expression: ParsedResult, key: str) -> list[Any]:
        found: list[Any] = []
        for page in self._pages(url):
            part = _searched(expression, page, f"{url}: {key}")
            if not isinstance(part, list):
                raise SourceError(f"{url}: {key}: finds no list in the answer: correct the expression")
            found += part
        return found

    def _pages(self, url: str) -> list[Any]:
        etag, kept = self._kept.get(url, ("", []))
        response = self._asked(url, {"If-None-Match": etag} if etag else {})
        if response.status_code == httpx2.codes.NOT_MODIFIED and etag:
            return kept
        pages, first, seen = [self._client.json(response)], response, {url}
        while following := self._following(response, pages[-1]):
            address = self._client.neighbour(response, following)
            if address in seen or len(pages) == MOST_PAGES:
                raise SourceError(f"{url}: its pages lead in a circle, or are more than {MOST_PAGES}")
            seen.add(address)
            response = self._asked(address, {})
            pages.append(self._client.json(response))
        # a later page may change alone, so that only an answer of one page is known by its ETag
        self._kept[url] = (first.headers.get("etag", "") if len(pages) == 1 else "", pages)
        return pages

    def _following(self, response: httpx2.Response, page: Any) -> str:
        """The address of the next page; empty: it is the last one."""
        if self._next is not None:
            found = _searched(self._next, page, f"{response.request.url}: source.following")
            if found is not None and not isinstance(found, str):
                raise SourceError(
                    f"{response.request.url}: source.following: finds no address, but {str(found)[:40]!r}"
                )
            return found or ""
        found = response.links.get("next", {}).get("url") or ""
        if not found and (more := _MORE.search(page)):
            said = f"says that there is more ('{str(more)[:60]}'), and not by a Link header"
            raise SourceError(f"{response.request.url}: {said}: name its place with source.following, as '@.next'")
        return str(found)

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


def _searched(expression: ParsedResult, page: Any, where: str) -> Any:
    """What an expression finds; its functions may fail on what an answer has in ways of Python's own, too."""
    try:
        return expression.search(page)
    except (JMESPathError, ArithmeticError, TypeError, ValueError, RecursionError) as error:
        raise SourceError(f"{where}: {' '.join(str(error).split())}: correct the expression") from error


def _client(settings: HttpSettings) -> httpx2.Client:
    return plain_client(settings.ca_file, headers_from("source.headers_file", settings.headers_file))
