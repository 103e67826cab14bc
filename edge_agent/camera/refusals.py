"""Why an RTSP camera couldn't be opened, in its own words: FFmpeg keeps them to itself, but for a few numbers.

Asked once, on a connection of its own, after FFmpeg has failed, and without saying who looks.
"""

import contextlib
import errno
import re
import socket
from urllib.parse import urlsplit, urlunsplit

from av.error import FFmpegError, HTTPClientError, HTTPError, HTTPUnauthorizedError

from edge_agent.camera.decoding import StreamRequest
from edge_agent.camera.errors import NoAnswerError

RTSP_PORT = 554
ASKED = ("OPTIONS", "DESCRIBE")
"""What FFmpeg asks first; it gives up where one is refused."""
ASKS_WHO = "401"
UDP_ALONE = "it sends RTP over UDP alone: switch RTP over TCP (interleaved) on in the camera"
MAY_SEND_ON = (
    "it answers what can't be followed: perhaps it sends us on, and no other address is told who looks; put the one "
    "that it sends us to into url"
)
ASK_S = 1.0
"""A camera that has answered FFmpeg answers soon, or isn't waited for."""
_MOST_BYTES = 65_536
_ANSWER = re.compile(r"RTSP/1\.\d (\d{3}) ?([^\r\n]{0,80})")
_LOCATION = re.compile(r"(?im)^location: *(\S{1,500})")


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
    parts = urlsplit(stream.address)
    if parts.scheme != "rtsp":
        return ""
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    with contextlib.suppress(OSError):
        where = parts.hostname or "", parts.port or RTSP_PORT
        with socket.create_connection(where, ASK_S) as camera:
            for number, method in enumerate(ASKED, 1):
                camera.sendall(f"{method} {address} RTSP/1.0\r\nCSeq: {number}\r\n\r\n".encode())
                refusal = refused(method, _heard(camera))
                if refusal:
                    return refusal
    return ""


def _heard(camera: socket.socket) -> str:
    """An answer's head."""
    heard = b""
    while b"\r\n\r\n" not in heard and len(heard) < _MOST_BYTES and (more := camera.recv(4096)):
        heard += more
    return heard.decode(errors="replace")


def refused(method: str, answer: str) -> str:
    """What an answer's head comes to for people; empty: it is no refusal that FFmpeg doesn't name itself."""
    found = _ANSWER.match(answer)
    if found is None or found[1] in ("200", ASKS_WHO):
        return ""
    said = f"it answers {method} with {found[1]} {found[2]}".strip()
    place = _LOCATION.search(answer)
    if found[1].startswith("3") and place:
        return f"{said} and sends us on to {_without_login(place[1])}: if that is the camera, put it into url"
    if method == "OPTIONS":
        return f"{said}, without which no stream is opened: update it, or take its MJPEG or snapshots instead"
    return said


def _without_login(address: str) -> str:
    scheme, slashes, rest = address.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}"
