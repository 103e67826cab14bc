"""One exchange with a WMS or a partner over HTTP: over in time, and every failure a line."""

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from kardus.support.errors import UsageError
from kardus.support.exchange import Exchanges
from warehouse.connectors.errors import ConnectorError
from warehouse.connectors.retry_after import retry_after_s
from warehouse.connectors.secret import secret

TIMEOUT_S = 60.0
"""For the whole of one answer."""
STOP_GRACE_S = 2.0
"""An exchange that is under way when its target is stopped may still end within so long."""
READ_S = 20.0
"""For one reading of it, and for a connection."""
_REDIRECTED = 300
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""Of a header (RFC 9110, section 5.6.2)."""
MAX_BYTES = 200_000_000
"""A longer answer is none: 150,000 locations are some ten millions."""
MAX_REFUSAL_BYTES = 65_536


def plain_client(ca_file: Path | None, headers: Mapping[str, str] | None = None) -> httpx2.Client:
    """A client that follows nobody elsewhere. `ca_file`: authorities (PEM); else the system's."""
    verify: Any = str(ca_file) if ca_file else True
    return httpx2.Client(timeout=READ_S, follow_redirects=False, verify=verify, headers=dict(headers or {}))


def headers_from(key: str, path: Path | None) -> dict[str, str]:
    """The headers in a private file, one a line as `X-Api-Key: ...`; none without a file.

    Raises:
        ConfigError: it can't be read, or others can read it too.
        UsageError: a line isn't one.
    """
    if path is None:
        return {}
    found = {}
    for line in filter(str.strip, secret(key, path).splitlines()):
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name.strip()):
            raise UsageError(f"{key} {path}: a line isn't written as 'Name: value'")
        found[name.strip()] = _header_value(f"{key} {path}", value.strip())
    return found


def header_secret(key: str, path: Path) -> str:
    """The text of a private file, that can stand in a header.

    Raises:
        ConfigError: it can't be read, or others can read it too.
        UsageError: it can't stand in one.
    """
    return _header_value(f"{key} {path}", secret(key, path))


def _header_value(where: str, text: str) -> str:
    """The text, which isn't shown: it may be a password."""
    if not (text.isascii() and text.isprintable()):
        raise UsageError(
            f"{where}: holds a character that no header can have: only printable ones of ASCII, in one line: look "
            "whether all of it was copied, and nothing else"
        )
    return text


class HttpClient:
    """Asks one server. Used by one thread; `close` ends what is under way."""

    def __init__(self, client: httpx2.Client, error: type[ConnectorError], *, grace_s: float = 0.0) -> None:
        """Keep the client: its headers, its authentication.

        Args:
            client: what connects.
            error: what is raised.
            grace_s: an exchange that is under way when it is stopped may still end within so many seconds.
        """
        self._client, self._error = client, error
        self._stopping = threading.Event()
        self._exchanges = Exchanges(self._stopping, grace_s)

    def request(self, method: str, url: str, *, limit_s: float | None = None, **options: Any) -> httpx2.Response:
        """An answer with a status below 300, or 304, over within `limit_s` seconds (by default TIMEOUT_S).

        Raises:
            ConnectorError: the kind it was given: there is none in time, or it has another status.
        """
        return self._over_in_time(method, url, limit_s, options, [])

    def post(self, url: str, *, limit_s: float | None = None, **options: Any) -> httpx2.Response:
        """POST something, of whose answer status and headers count: it is taken, whatever becomes of the body.

        Raises:
            ConnectorError: as `request`, as long as no status below 300 has come.
        """
        taken: list[httpx2.Response] = []
        try:
            return self._over_in_time("POST", url, limit_s, options, taken)
        except ConnectorError:
            if taken:  # to send it again would be to send it twice
                return taken[0]
            raise

    def _over_in_time(
        self,
        method: str,
        url: str,
        limit_s: float | None,
        options: Mapping[str, Any],
        taken: list[httpx2.Response],
    ) -> httpx2.Response:
        """As `request`; an answer is put into `taken` as soon as its status is known to be good."""
        try:
            return self._exchanges.run(
                lambda trace: self._asked(method, url, trace, options, taken), limit_s or TIMEOUT_S
            )
        except TimeoutError as error:
            raise self._error(f"{url}: {error}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise self._error(f"{url}: {' '.join(str(error).split()) or type(error).__name__}") from error

    def json(self, response: httpx2.Response) -> Any:
        """What an answer says.

        Raises:
            ConnectorError: the kind it was given: it isn't JSON.
        """
        try:
            return json.loads(response.content, parse_constant=_no_constant, object_pairs_hook=_members)
        except (ValueError, RecursionError) as error:
            raise self._error(f"{response.request.url}: answers something that isn't JSON ({error})") from error

    def neighbour(self, response: httpx2.Response, address: str) -> str:
        """The address that an answer names, in full.

        Raises:
            ConnectorError: it is on another server, which our headers and tokens are none of the business of.
        """
        try:
            own = response.request.url
            found = own.join(address)
        except (httpx2.InvalidURL, ValueError) as error:
            raise self._error(f"{own}: leads to '{address}', which is no address ({error})") from error
        if (found.scheme, found.host, found.port) != (own.scheme, own.host, own.port):
            raise self._error(
                f"{own}: leads to another server ({found.scheme}://{found.netloc.decode()}): not followed"
            )
        return str(found)

    def stop(self) -> None:
        """End what is under way, once its grace is over; from any thread."""
        self._stopping.set()

    def close(self) -> None:
        """End what is under way, and close the connections."""
        self._stopping.set()
        self._client.close()

    def _asked(
        self,
        method: str,
        url: str,
        trace: Callable[..., None],
        options: Mapping[str, Any],
        taken: list[httpx2.Response],
    ) -> httpx2.Response:
        request = self._client.build_request(method, url, extensions={"trace": trace}, **options)
        response = self._client.send(request, stream=True)
        try:
            if response.status_code >= _REDIRECTED and response.status_code != httpx2.codes.NOT_MODIFIED:
                self._refuse(url, response)
            taken.append(response)
            content = bytearray()
            for part in response.iter_bytes():
                content += part
                if len(content) > MAX_BYTES:
                    raise self._error(f"{url}: the answer is longer than {MAX_BYTES // 1_000_000} MB")
        finally:
            response.close()
        response._content = bytes(content)  # noqa: SLF001 - as `read` would leave it
        return response

    def _refuse(self, url: str, response: httpx2.Response) -> None:
        said = bytearray()
        for part in response.iter_bytes():
            said += part
            if len(said) >= MAX_REFUSAL_BYTES:
                break
        status = response.status_code
        pause_s = retry_after_s(response.headers, datetime.now(UTC))
        raise self._error(f"{url}: the server says {status} {response.reason_phrase}", status, bytes(said), pause_s)


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} in it is no number")


def _members(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object; which of two members of one name is meant, nobody knows."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(name for name in names if names.count(name) > 1)}' is twice in an object")
    return found
