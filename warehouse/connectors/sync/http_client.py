"""One exchange with a WMS over HTTP: over in time, and every failure a line."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import httpx2

from kardus.support.exchange import Exchanges
from warehouse.connectors.sync.source import SourceError

TIMEOUT_S = 60.0
"""For the whole of one answer."""
_REDIRECTED = 300
MOST_BYTES = 200_000_000
"""A longer answer is none: 150,000 locations are some ten millions."""


class HttpClient:
    """Asks one server. Used by one thread; `stop` ends what is under way."""

    def __init__(self, client: httpx2.Client) -> None:
        """Keep the client: its headers, its authentication."""
        self._client = client
        self._stopping = threading.Event()
        self._exchanges = Exchanges(self._stopping)

    def request(self, method: str, url: str, **options: Any) -> httpx2.Response:
        """An answer with a status below 300, or 304.

        Raises:
            SourceError: there is none in time, or it has another status.
        """
        try:
            return self._exchanges.run(lambda trace: self._asked(method, url, trace, options), TIMEOUT_S)
        except TimeoutError as error:
            raise SourceError(f"{url}: {error}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise SourceError(f"{url}: {' '.join(str(error).split()) or type(error).__name__}") from error

    def json(self, response: httpx2.Response) -> Any:
        """What an answer says.

        Raises:
            SourceError: it isn't JSON.
        """
        try:
            return response.json()
        except ValueError as error:
            raise SourceError(f"{response.request.url}: answers something that isn't JSON ({error})") from error

    def close(self) -> None:
        """End what is under way, and close the connections."""
        self._stopping.set()
        self._client.close()

    def _asked(self, method: str, url: str, trace: Callable[..., None], options: Mapping[str, Any]) -> httpx2.Response:
        request = self._client.build_request(method, url, extensions={"trace": trace}, **options)
        response = self._client.send(request, stream=True)
        try:
            if response.status_code >= _REDIRECTED and response.status_code != httpx2.codes.NOT_MODIFIED:
                raise SourceError(f"{url}: the server says {response.status_code} {response.reason_phrase}")
            content = bytearray()
            for part in response.iter_bytes():
                content += part
                if len(content) > MOST_BYTES:
                    raise SourceError(f"{url}: the answer is longer than {MOST_BYTES // 1_000_000} MB")
        finally:
            response.close()
        response._content = bytes(content)  # noqa: SLF001 - as `read` would leave it
        return response
