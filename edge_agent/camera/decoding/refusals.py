"""Why an RTSP camera couldn't be opened, in its own words: FFmpeg keeps them to itself, but for a few numbers.

Asked once, on a connection of its own, after FFmpeg has failed, and without a login.
"""

import contextlib
import errno
import re
import socket
import time
from urllib.parse import urlsplit, urlunsplit

from av.error import FFmpegError, HTTPClientError, HTTPError, HTTPUnauthorizedError

from edge_agent.camera.decoding.protocol import StreamRequest
from edge_agent.camera.decoding.tunnel import secured
from edge_agent.camera.errors import NoAnswerError
from edge_agent.camera.passwords import without_login

RTSP_PORT = 554
ASKED = ("OPTIONS", "DESCRIBE")
"""What FFmpeg asks first; it gives up where one is refused."""
ASKS_WHO = "401"
UDP_ALONE = "it sends RTP over UDP alone: switch RTP over TCP (interleaved) on in the camera"
MAY_SEND_ON = (
    "it answers what can't be followed: perhaps it sends us on, which nobody follows from rtsps, or where it would be "
    "told who looks; put the address that it sends us to into url"
)
ASK_S = 1.0
"""A camera that has answered FFmpeg answers soon, or isn't waited for: all of its answers together."""
_MAX_BYTES = 65_536
_MAX_WORDS = 80
_ANSWER = re.compile(r"RTSP/1\.\d (\d{3}) ?([^\r\n]*)")
_LOCATION = re.compile(r"(?im)^location:([^\r\n]*)")
"""The whole line: what lies behind a blank in an address may tell that a login stands before it."""


def explained(error: FFmpegError, stream: StreamRequest) -> FFmpegError | NoAnswerError:
    """The error with which a camera couldn't be opened, or a better one where it can be found out."""
    if stream.format != "rtsp":
        return error
    if error.errno == errno.EPROTONOSUPPORT:
        return NoAnswerError(UDP_ALONE)
    if isinstance(error, HTTPUnauthorizedError) or not (
        isinstance(error, HTTPClientError | HTTPError) or error.errno == errno.EINVAL
    ):
        return error  # it says enough, or the camera hasn't answered at all
    said = _asked(stream)
    if error.errno == errno.EINVAL and not said:
        said = MAY_SEND_ON
    return NoAnswerError(said) if said else error


def _asked(stream: StreamRequest) -> str:
    """What the camera refuses; empty: nothing, or it can't be asked."""
    deadline = time.monotonic() + ASK_S
    parts = urlsplit(stream.address)
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    with contextlib.suppress(OSError), _connected(stream) as camera:
        for number, method in enumerate(ASKED, 1):
            camera.settimeout(_left(deadline))
            camera.sendall(f"{method} {address} RTSP/1.0\r\nCSeq: {number}\r\n\r\n".encode())
            refusal = refused(method, _heard(camera, deadline), is_secure=parts.scheme == "rtsps")
            if refusal:
                return refusal
    return ""


def _connected(stream: StreamRequest) -> socket.socket:
    parts = urlsplit(stream.address)
    if parts.scheme == "rtsps":
        return secured(stream, ASK_S)
    return socket.create_connection((parts.hostname or "", parts.port or RTSP_PORT), ASK_S)


def _heard(camera: socket.socket, deadline: float) -> str:
    """An answer's head.

    Raises:
        OSError: it hasn't come by the deadline, or the camera is gone.
    """
    heard = b""
    while b"\r\n\r\n" not in heard and len(heard) < _MAX_BYTES:
        camera.settimeout(_left(deadline))
        more = camera.recv(4096)
        if not more:
            break
        heard += more
    return heard.decode(errors="replace")


def _left(deadline: float) -> float:
    """Seconds until then.

    Raises:
        TimeoutError: it is over.
    """
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def refused(method: str, answer: str, *, is_secure: bool = False) -> str:
    """What an answer's head comes to for people; empty: it is no refusal that FFmpeg doesn't name itself.

    No login is shown that an address in it holds. `is_secure`: it came over TLS.
    """
    found = _ANSWER.match(answer)
    if found is None or found[1] in ("200", ASKS_WHO):
        return ""
    words = "" if "://" in found[2] or "@" in found[2] else found[2][:_MAX_WORDS]
    said = f"it answers {method} with {found[1]} {words}".strip()
    place = _LOCATION.search(answer)
    if found[1].startswith("3") and place:
        return f"{said} and sends us on to {_sent_on(place[1].strip(), is_secure=is_secure)}"
    if method == "OPTIONS":
        return f"{said}, without which no stream is opened: update it, or take its MJPEG or snapshots instead"
    return said


def _sent_on(place: str, *, is_secure: bool) -> str:
    """Where to, and what to do about it."""
    if is_secure and not place.lower().startswith("rtsps://"):
        return f"{without_login(place)}, where nobody can be verified: set its rtsps address in the camera, or in url"
    return f"{without_login(place)}: if that is the camera, put it into url"
