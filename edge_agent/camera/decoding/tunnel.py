"""RTSP over TLS, in the decoding process: the camera's certificate is checked here, and FFmpeg talks through us.

FFmpeg's own TLS knows no fingerprint, takes any certificate unless it is told otherwise, and calls every refusal an
input/output error.
"""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

from edge_agent.camera.decoding.protocol import StreamRequest
from edge_agent.camera.tls import tls_reason

RTSPS_PORT = 322
_HERE = "127.0.0.1"
_CHUNK = 65_536


class CertificateRefusedError(OSError):
    """The secure connection wasn't made; the text says why."""

    def __init__(self, reason: str) -> None:
        """Keep the text as the system's reason would be."""
        super().__init__(0, reason)


@contextlib.contextmanager
def tunnelled(stream: StreamRequest) -> Iterator[str]:
    """The address for FFmpeg: the stream's own, or where it is `rtsps` one of this machine that leads there.

    Raises:
        OSError: the camera can't be reached, or its certificate is refused.
    """
    parts = urlsplit(stream.address)
    if parts.scheme != "rtsps":
        yield stream.address
        return
    with contextlib.ExitStack() as open_:
        camera = open_.enter_context(secured(stream, stream.timeout_s))
        listener = open_.enter_context(socket.create_server((_HERE, 0), backlog=1))
        threading.Thread(target=_serve, args=(listener, camera), daemon=True).start()
        login, at, _ = parts.netloc.rpartition("@")
        netloc = f"{login}{at}{_HERE}:{listener.getsockname()[1]}"
        yield urlunsplit(parts._replace(scheme="rtsp", netloc=netloc))


def secured(stream: StreamRequest, timeout_s: float) -> ssl.SSLSocket:
    """A connection to an `rtsps` camera that is the one that it should be; `timeout_s` is its time-out.

    Raises:
        OSError: it can't be reached, or its certificate is refused.
    """
    parts = urlsplit(stream.address)
    host = parts.hostname or ""
    connection = socket.create_connection((host, parts.port or RTSPS_PORT), timeout_s)
    try:
        return stream.tls.context().wrap_socket(connection, server_hostname=host)
    except ssl.SSLError as error:
        connection.close()
        raise CertificateRefusedError(tls_reason(error)) from error


def _serve(listener: socket.socket, camera: ssl.SSLSocket) -> None:
    """Carry bytes both ways until one side hangs up, or `camera` is closed (`select` calls that a ValueError)."""
    with contextlib.suppress(OSError, ValueError), contextlib.closing(camera):
        here, _ = listener.accept()
        with here:
            while camera.pending() or (ready := select.select([camera, here], [], [])[0]):
                if camera.pending() or camera in ready:
                    data, target = _come(camera), here
                else:
                    data, target = here.recv(_CHUNK), camera
                if data is None:
                    continue
                if not data:
                    return
                target.sendall(data)


def _come(camera: ssl.SSLSocket) -> bytes | None:
    """What has come of its own data; None: TLS's own alone (TLS 1.3 sends tickets), or part of a record.

    To wait for more here would hold up what is to be sent.
    """
    timeout_s = camera.gettimeout()
    camera.settimeout(0)
    try:
        return camera.recv(_CHUNK)
    except ssl.SSLWantReadError:
        return None
    finally:
        camera.settimeout(timeout_s)
