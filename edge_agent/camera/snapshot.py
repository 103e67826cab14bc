"""A camera that gives a picture for each HTTP request (ONVIF's snapshot address, for instance)."""

import functools
import threading
from collections.abc import Iterator

import httpx2

from edge_agent.camera.decoding import Attention
from edge_agent.camera.errors import NoAnswerError, PictureTooLargeError
from edge_agent.camera.http import CameraHttp
from edge_agent.camera.login import Login
from edge_agent.camera.multipart import MultipartPictures
from edge_agent.camera.packing import unpacked
from edge_agent.camera.passwords import read_password
from edge_agent.camera.trust import policy_of
from edge_agent.config.sources import SnapshotSource
from kardus.inference.part_decoded import GivenPicture
from kardus.inference.preprocess import decode_half, decode_picture
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
            ConfigError: the password file or `ca_file` cannot be read.
        """
        self.attention: Attention = "moving"
        self._url = settings.url
        self._timeout_s = settings.timeout_s
        self._login = _login(settings)
        self._tls = policy_of(settings)
        self._closing = threading.Event()
        self._exchanges = Exchanges(self._closing)

    def pictures(self) -> Iterator[GivenPicture | str]:
        """The camera's picture at each look, or why there is none."""
        with CameraHttp(self._login, self._tls, SILENCE * self._timeout_s) as http:
            while not self._closing.is_set():
                yield self._picture(http)

    def close(self) -> None:
        """End a wait for a picture; the end of `pictures` frees the rest."""
        self._closing.set()

    def _picture(self, http: CameraHttp) -> GivenPicture | str:
        try:
            data = self._exchanges.run(functools.partial(self._fetch, http), self._timeout_s)
            return decode_half(data, self._url) if self.attention == "rest" else decode_picture(data, self._url)
        except (NoAnswerError, PictureTooLargeError) as error:
            return f"{self._url}: no picture ({error}): {_REMEDY}"
        except TimeoutError:
            return f"{self._url}: no picture (it is too slow): {_REMEDY}"
        except DataError as error:
            return f"{error}: check the address, and what the camera sends"

    def _fetch(self, http: CameraHttp, trace: Trace) -> bytes:
        """The answer's body; of one in several parts, the first picture.

        Raises:
            NoAnswerError: no answer, another than 200, or too much.
        """
        body = bytearray()
        with http.get(self._url, trace) as answer:
            kind = answer.headers.get("Content-Type", "")
            if kind.lower().startswith("multipart/"):
                return _first_picture(answer, kind)
            for part in unpacked(answer):
                body += part
                if len(body) > MAX_BYTES:
                    raise NoAnswerError(f"it sends more than {MAX_BYTES} bytes")
        return bytes(body).lstrip(b"\r\n")  # an empty line too many after the headers


def _first_picture(answer: httpx2.Response, kind: str) -> bytes:
    """Of a stream: who looks anew each time need not wait for its end, which may never come."""
    parts = MultipartPictures(kind)
    for data in unpacked(answer):
        for picture in parts.feed(data):
            if isinstance(picture, str):
                raise NoAnswerError(picture)
            return picture
    raise NoAnswerError(f"no JPEG in what it sends ({kind})")


def _login(settings: SnapshotSource) -> Login | None:
    if settings.username is None:
        return None
    return Login(settings.username, read_password(settings.password_file), (settings.login,))
