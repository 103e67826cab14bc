"""A camera that gives a picture for each HTTP request (ONVIF's snapshot address, for instance)."""

import time
from collections.abc import Iterator

import httpx2
from PIL import Image

from edge_agent.camera.passwords import read_password
from edge_agent.config.sources import SnapshotSource
from kardus.inference.preprocess import decode_picture
from kardus.support.errors import DataError

MAX_BYTES = 50_000_000
"""A larger answer is no picture."""
_REMEDY = "check the camera, its address, user name and password"


class HttpSnapshot:
    """Asks for a picture at every look, over one connection where the camera keeps it open."""

    live = True

    def __init__(self, settings: SnapshotSource) -> None:
        """Prepare; nothing is asked for yet.

        Raises:
            ConfigError: the password file cannot be read.
        """
        self._url = settings.url
        self._timeout_s = settings.timeout_s
        self._login = _login(settings)
        self._client: httpx2.Client | None = None

    def pictures(self) -> Iterator[Image.Image | str]:
        """The camera's picture at each look, or why there is none."""
        # Nothing of the machine's proxies: a camera is on the local network.
        with httpx2.Client(auth=self._login, timeout=self._timeout_s, trust_env=False) as self._client:
            while True:
                yield self._picture(self._client)

    def close(self) -> None:
        """Nothing to free that the end of `pictures` doesn't."""

    def _picture(self, client: httpx2.Client) -> Image.Image | str:
        try:
            return decode_picture(self._fetch(client), self._url)
        except httpx2.HTTPError as error:
            return f"{self._url}: no picture ({_reason(error)}): {_REMEDY}"
        except DataError as error:
            return f"{error}: check the address, and what the camera sends"

    def _fetch(self, client: httpx2.Client) -> bytes:
        """The answer's body.

        A camera that sends byte after byte is never late for httpx2, so that the whole has a limit too.

        Raises:
            httpx2.HTTPError: no answer, another than 200, too slow, or too much.
        """
        deadline = time.monotonic() + self._timeout_s
        body = bytearray()
        with client.stream("GET", self._url) as answer:
            if answer.status_code != httpx2.codes.OK:
                raise httpx2.HTTPStatusError(
                    f"it answers {answer.status_code} {answer.reason_phrase}", request=answer.request, response=answer
                )
            for part in answer.iter_raw():
                body += part
                if len(body) > MAX_BYTES:
                    raise httpx2.ReadError(f"it sends more than {MAX_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise httpx2.ReadTimeout("it is too slow")
        return bytes(body)


def _login(settings: SnapshotSource) -> httpx2.Auth | None:
    if settings.username is None:
        return None
    password = read_password(settings.password_file)
    kind = httpx2.DigestAuth if settings.login == "digest" else httpx2.BasicAuth
    return kind(settings.username, password)


def _reason(error: httpx2.HTTPError) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return str(error) if "slow" in str(error) else "it sends nothing"
    return str(error) or type(error).__name__
