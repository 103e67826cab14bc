"""Asks a camera over HTTP: its login, its certificate, where it sends one on; whatever fails is a `NoAnswerError`."""

import contextlib
import ssl
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import httpx2

from edge_agent.camera.errors import NoAnswerError
from edge_agent.camera.http.header_repair import CameraTransport
from edge_agent.camera.http.login import Login, challenges
from edge_agent.camera.http.packing import CODINGS
from edge_agent.camera.passwords import without_login
from edge_agent.camera.tls import TlsPolicy, tls_reason
from kardus.support.exchange import Trace

MAX_REDIRECTS = 5
MAX_TEXT = 200
"""Of what a library says: it may cite all that the camera has sent."""
_FAILURES = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.CookieConflict,
    httpx2.StreamError,
    OSError,
    ValueError,
    LookupError,
    NotImplementedError,
)
"""What httpx2 raises where a camera answers strangely, by its documentation and beyond it."""


_WITHOUT_PICTURE = {httpx2.codes.NO_CONTENT, httpx2.codes.RESET_CONTENT}
"""Of the statuses of success: each other one may come with a picture, and shows by it what it is."""


class CameraHttp:
    """One camera, over one connection where it keeps it open. Use it in a `with` statement, in one thread."""

    def __init__(self, login: Login | None, tls: TlsPolicy, timeout_s: float) -> None:
        """Nothing is asked for yet; `timeout_s` is for connecting, and for each read."""
        self._login = login
        self._transport = CameraTransport(tls.context())
        self._client = httpx2.Client(
            transport=self._transport,
            timeout=timeout_s,
            trust_env=False,  # nothing of the machine's proxies: a camera is on the local network
            headers={"Accept-Encoding": CODINGS},
        )

    def __enter__(self) -> Self:
        """Nothing more is needed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Hang up."""
        self._client.close()

    def keep_open(self, keeps_open: bool) -> None:  # noqa: FBT001 - what is said is the method's name
        """Whether the connection is to be used for more than one look."""
        self._transport.keeps_open = keeps_open

    @contextlib.contextmanager
    def get(self, url: str, trace: Trace | None = None) -> Iterator[httpx2.Response]:
        """The camera's answer, whose body is yet to be read (`unpacked`); `trace` is told of the request's progress.

        Raises:
            NoAnswerError: there is none, or one of no success; also for what goes wrong while the body is read.
        """
        try:
            with contextlib.closing(self._answer(url, trace)) as answer:
                if not answer.is_success or answer.status_code in _WITHOUT_PICTURE:
                    raise NoAnswerError(self._refusal(answer))
                yield answer
        except _FAILURES as error:
            raise NoAnswerError(_reason(error)) from error

    def _refusal(self, answer: httpx2.Response) -> str:
        """What an answer of no success comes to; where it asks for another login than is allowed, that."""
        said = f"it answers {answer.status_code} {answer.reason_phrase}"
        if answer.status_code != httpx2.codes.UNAUTHORIZED or not self._login or self._login.chosen(answer):
            return said
        asked = challenges(answer.headers)
        ways = list(dict.fromkeys(challenge.description for challenge in asked))
        said += f", and asks for no login that is answered ({', '.join(ways) or 'none'})"
        forbidden = next((challenge.scheme for challenge in asked if challenge.is_answerable), "")
        return said + (f': allow it by login = "{forbidden}"' if forbidden else "")

    def _answer(self, url: str, trace: Trace | None) -> httpx2.Response:
        """The first answer that doesn't send us on. Who looks is told to the camera's own host alone."""
        extensions = {"trace": trace} if trace is not None else {}
        request = self._client.build_request("GET", url, extensions=extensions)
        host = request.url.host
        for _ in range(MAX_REDIRECTS + 1):
            login = self._login if request.url.host == host else None
            answer = self._client.send(request, stream=True, auth=login)
            if answer.next_request is None:
                return answer
            answer.close()
            if request.url.scheme == "https" != answer.next_request.url.scheme:
                place = without_login(str(answer.next_request.url))
                raise NoAnswerError(f"it sends us on to {place}, where nobody can be verified")
            request = self._client.build_request("GET", answer.next_request.url, extensions=extensions)
        raise NoAnswerError(f"it sends us on more than {MAX_REDIRECTS} times")


def _reason(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return tls_reason(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.TimeoutException):
        return "it sends nothing"
    said = "".join(character if character.isprintable() else " " for character in str(error))
    return " ".join(said.split())[:MAX_TEXT] or type(error).__name__
