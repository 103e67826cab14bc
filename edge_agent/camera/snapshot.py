"""A camera that gives a picture for each HTTP request (ONVIF's snapshot address, for instance)."""

import functools
import threading
from collections.abc import Iterator

import httpx2
from PIL import Image

from edge_agent.camera.passwords import read_password
from edge_agent.config.sources import SnapshotSource
from kardus.inference.preprocess import decode_picture
from kardus.support.errors import DataError
from kardus.support.exchange import Exchanges, Trace

MAX_BYTES = 50_000_000
"""A larger answer is no picture."""
SILENCE = 0.9
"""Of the time that a picture may take: who sends nothing for so long is told from who is too slow."""
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
        self._closing = threading.Event()
        self._exchanges = Exchanges(self._closing)

    def pictures(self) -> Iterator[Image.Image | str]:
        """The camera's picture at each look, or why there is none."""
        # Nothing of the machine's proxies: a camera is on the local network.
        with httpx2.Client(auth=self._login, timeout=SILENCE * self._timeout_s, trust_env=False) as client:
            while True:
                yield self._picture(client)

    def close(self) -> None:
        """End a wait for a picture; the end of `pictures` frees the rest."""
        self._closing.set()

    def _picture(self, client: httpx2.Client) -> Image.Image | str:
        try:
            data = self._exchanges.run(functools.partial(self._fetch, client), self._timeout_s)
            return decode_picture(data, self._url)
        except (httpx2.HTTPError, UnicodeError) as error:  # UnicodeError: a text that can't be a host's name
            return f"{self._url}: no picture ({_reason(error)}): {_REMEDY}"
        except TimeoutError:
            return f"{self._url}: no picture (it is too slow): {_REMEDY}"
        except DataError as error:
            return f"{error}: check the address, and what the camera sends"

    def _fetch(self, client: httpx2.Client, trace: Trace) -> bytes:
        """The answer's body.

        Raises:
            httpx2.HTTPError: no answer, another than 200, or too much.
        """
        body = bytearray()
        with client.stream("GET", self._url, extensions={"trace": trace}) as answer:
            if answer.status_code != httpx2.codes.OK:
                raise httpx2.HTTPStatusError(
                    f"it answers {answer.status_code} {answer.reason_phrase}", request=answer.request, response=answer
                )
            for part in answer.iter_raw():
                body += part
                if len(body) > MAX_BYTES:
                    raise httpx2.ReadError(f"it sends more than {MAX_BYTES} bytes")
        return bytes(body)


def _login(settings: SnapshotSource) -> httpx2.Auth | None:
    if settings.username is None:
        return None
    password = read_password(settings.password_file)
    kind = httpx2.DigestAuth if settings.login == "digest" else httpx2.BasicAuth
    return kind(settings.username, password)


def _reason(error: Exception) -> str:
    return "it sends nothing" if isinstance(error, httpx2.TimeoutException) else str(error) or type(error).__name__
