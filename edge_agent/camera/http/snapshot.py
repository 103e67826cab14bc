"""A camera that gives a picture for each HTTP request (ONVIF's snapshot address, for instance)."""

import functools
import itertools
import re
import threading
from collections.abc import Iterator

from edge_agent.camera.attention import Attention
from edge_agent.camera.errors import CameraError, NoAnswerError, PictureTooLargeError
from edge_agent.camera.http.client import CameraHttp
from edge_agent.camera.http.login import Login
from edge_agent.camera.http.multipart import MultipartPictures
from edge_agent.camera.http.packing import unpacked
from edge_agent.camera.passwords import read_password
from edge_agent.camera.trust import policy_of
from edge_agent.config.sources import SnapshotSource
from kardus.inference.part_decoded import GivenPicture
from kardus.inference.photo_files import READ_FORMATS
from kardus.inference.preprocess import decode_half, decode_picture
from kardus.support.errors import DataError
from kardus.support.exchange import Exchanges, Trace

MAX_BYTES = 50_000_000
"""A larger answer is no picture."""
SILENCE = 0.9
"""Of the time that a picture may take: who sends nothing for so long is told from who is too slow."""
_MAX_BYTES_BEFORE = 200
"""Bytes that have come when it is known whether an answer begins with a picture."""
_LINES = re.compile(rb"\s*(?:--[\w-]|HTTP/\d|[A-Za-z][\w-]*[ \t]*:[ \t])")
"""A boundary, or headers of the picture's own, whatever the answer's headers say: a stream's, or a program's."""
_BLANKS = b"\r\n\t \0\xef\xbb\xbf"
"""What programs write before a picture: an empty line too many, the mark of a text in UTF-8."""
_BEGINNINGS = re.compile(rb"\xff\xd8|\x89PNG|RIFF|BM|II\*\0|MM\0\*")
"""Of pictures."""
_PART = 65_536
"""Bytes of a body that are looked into at once: no more of it than its first picture."""
_REMEDY = "check the camera, its address, user name and password"


class HttpSnapshot:
    """Asks for a picture for every frame, over one connection where the camera keeps it open."""

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
        """The camera's picture for each frame, or why there is none."""
        with CameraHttp(self._login, self._tls, SILENCE * self._timeout_s) as http:
            while not self._closing.is_set():
                yield self._picture(http)

    def close(self) -> None:
        """End a wait for a picture; the end of `pictures` frees the rest."""
        self._closing.set()

    def _picture(self, http: CameraHttp) -> GivenPicture | str:
        try:
            data = self._asked(http)
            return decode_half(data, self._url) if self.attention == "rest" else decode_picture(data, self._url)
        except (NoAnswerError, PictureTooLargeError) as error:
            return f"{self._url}: no picture ({error}): {_REMEDY}"
        except TimeoutError:
            return f"{self._url}: no picture (it is too slow): {_REMEDY}"
        except DataError as error:
            return f"{error}: check the address, and what the camera sends"

    def _asked(self, http: CameraHttp) -> bytes:
        """The answer's body; of one in several parts, or with lines before its picture, the first picture.

        One that doesn't end as it was announced, or in time, is as good where the picture that it begins with does.

        Raises:
            NoAnswerError: no answer, one of no success, or too much.
            TimeoutError: it isn't there in time, or isn't wanted any more.
        """
        body = bytearray()
        try:
            return self._exchanges.run(functools.partial(self._read, http, body), self._timeout_s)
        except (NoAnswerError, TimeoutError):
            picture = None if self._closing.is_set() else _begun_with(bytes(body))
            if picture is None:
                raise
            http.keep_open(False)
            return picture

    def _read(self, http: CameraHttp, body: bytearray, trace: Trace) -> bytes:
        """As `_asked`; what has come of a body that is one picture is in `body`, whatever happens."""
        with http.get(self._url, trace) as answer:
            kind = answer.headers.get("Content-Type", "")
            if kind.lower().startswith("multipart/"):
                return _first_picture(unpacked(answer), kind)
            parts = unpacked(answer)
            for part in parts:
                body += part
                if len(body) > MAX_BYTES:
                    raise NoAnswerError(f"it sends more than {MAX_BYTES} bytes")
                if len(body) - len(part) < _MAX_BYTES_BEFORE and _LINES.match(body):
                    return _first_picture(itertools.chain([bytes(body)], parts), kind)
        begun = body.lstrip(_BLANKS)
        return bytes(begun if _BEGINNINGS.match(begun) else body.lstrip(b"\r\n"))


def _begun_with(body: bytes) -> bytes | None:
    """The picture that a body begins with; None: with none, or not with a whole one. What lies in it is another."""
    begun = body.lstrip(_BLANKS)
    parts = (begun[start : start + _PART] for start in range(0, len(begun), _PART))
    try:
        picture = _first_picture(parts, "")
    except CameraError:
        return None
    return picture if begun.startswith(picture) else None


def _first_picture(parts: Iterator[bytes], kind: str) -> bytes:
    """Of a stream: who looks anew each time need not wait for its end, which may never come."""
    pictures = MultipartPictures(kind)
    for data in parts:
        for picture in pictures.feed(data):
            if isinstance(picture, str):
                raise NoAnswerError(picture)
            return picture
    said = f"no picture in what it sends ({kind or 'without a type'})"
    is_stream = kind.lower().startswith("multipart/")  # else the lines may be all that there is, as `Error: busy`
    raise NoAnswerError(said if is_stream else f"not a readable picture ({READ_FORMATS}), and {said}")


def _login(settings: SnapshotSource) -> Login | None:
    if settings.username is None:
        return None
    return Login(settings.username, read_password(settings.password_file), (settings.login,))
