"""A WMS that answers JSON over HTTP: two addresses, and JMESPath expressions that find locations and stock in them."""

import threading
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx2
import jmespath
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult
from pydantic import AfterValidator, BaseModel, ConfigDict

from warehouse.connectors.http_client import HttpClient, headers_from
from warehouse.connectors.secret import SecretPath, secret
from warehouse.connectors.sync.source import SourceError, StockSnapshot, managed_codes, stock_rows
from warehouse.connectors.web_address import WebAddress

MOST_PAGES = 10_000
_Answer = tuple[list[Any], tuple[str, ...]]


def _expression(text: str) -> str:
    try:
        jmespath.compile(text)
    except JMESPathError as error:
        raise ValueError(f"no JMESPath expression ({' '.join(str(error).split())})") from error
    return text


Expression = Annotated[str, AfterValidator(_expression)]


class OAuthSettings(BaseModel):
    """`[source.oauth]`: the client-credentials grant (RFC 6749, section 4.4)."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    token_url: WebAddress
    """Where a token is given."""
    client_id: str
    """Who we are there."""
    client_secret_file: SecretPath
    """File that holds the secret, for you alone."""
    scope: str = ""
    """What the token is for."""


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
    headers_file: SecretPath | None = None
    """File with headers of every request, one a line as `X-Api-Key: ...`, for you alone."""
    oauth: OAuthSettings | None = None
    """How a token is got."""
    ca_file: Path | None = None
    """Authorities that may vouch for the server (PEM); else the system's."""


class HttpSource:
    """Follows pages (`Link: <...>; rel="next"`), and asks by ETag whether something is new."""

    def __init__(self, settings: HttpSettings) -> None:
        """Prepare.

        Raises:
            UsageError: a file of its settings can't be used.
        """
        self._settings = settings
        self._managed: ParsedResult = jmespath.compile(settings.managed)
        self._stock: ParsedResult = jmespath.compile(settings.stock)
        self._oauth = isinstance(client := _client(settings), OAuth2Client)
        self._client, self._raw = HttpClient(client, SourceError), client
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

    def close(self) -> None:
        """End."""
        self._client.close()

    def _found(self, url: str, expression: ParsedResult, key: str) -> list[Any]:
        found: list[Any] = []
        for page in self._pages(url):
            try:
                part = expression.search(page)
            except JMESPathError as error:
                raise SourceError(f"{url}: {key}: {' '.join(str(error).split())}") from error
            if not isinstance(part, list):
                raise SourceError(f"{url}: {key}: finds no list in the answer: correct the expression")
            found += part
        return found

    def _pages(self, url: str) -> list[Any]:
        etag, kept = self._kept.get(url, ("", []))
        response = self._asked(url, {"If-None-Match": etag} if etag else {})
        if response.status_code == httpx2.codes.NOT_MODIFIED:
            return kept
        pages, first = [self._client.json(response)], response
        while following := response.links.get("next", {}).get("url"):
            if len(pages) == MOST_PAGES:
                raise SourceError(f"{url}: more than {MOST_PAGES} pages: does 'next' lead in a circle?")
            response = self._asked(str(response.request.url.join(following)), {})
            pages.append(self._client.json(response))
        # a later page may change alone, so that only an answer of one page is known by its ETag
        self._kept[url] = (first.headers.get("etag", "") if len(pages) == 1 else "", pages)
        return pages

    def _asked(self, url: str, headers: dict[str, str]) -> httpx2.Response:
        if self._oauth:
            self._require_token()
            headers = headers | {"Authorization": f"Bearer {self._raw.token['access_token']}"}
        return self._client.request("GET", url, headers=headers)

    def _require_token(self) -> None:
        oauth, client = self._settings.oauth, self._raw
        if oauth is None or (client.token and not client.token.is_expired()):
            return
        try:
            client.fetch_token(oauth.token_url, grant_type="client_credentials")
        except (AuthlibBaseError, httpx2.HTTPError, OSError, ValueError) as error:
            raise SourceError(f"{oauth.token_url}: gives no token ({' '.join(str(error).split())})") from error


def _client(settings: HttpSettings) -> Any:
    options: dict[str, Any] = {
        "headers": headers_from("source.headers_file", settings.headers_file),
        "timeout": 20.0,
        "follow_redirects": False,
    }
    if settings.ca_file is not None:
        options["verify"] = str(settings.ca_file)
    if settings.oauth is None:
        return httpx2.Client(**options)
    held = secret("source.oauth.client_secret_file", settings.oauth.client_secret_file)
    return OAuth2Client(settings.oauth.client_id, held, scope=settings.oauth.scope or None, **options)
