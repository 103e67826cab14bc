"""A local page for probes: /healthz, /readyz and /metrics. Off the agent's own threads."""

import contextlib
import errno
import json
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from kardus.support.errors import ConfigError, KardusError
from kardus.support.vitals import Vitals
from kardus.support.web_listener import listen_at

_SHUTDOWN_POLL_S = 2.0
"""So often its thread looks whether it is to end, where closing the socket doesn't wake it."""
_REMEDIES = {
    errno.EADDRINUSE: "end the program that has it, or choose another",
    errno.EACCES: "choose one from 1024 up",
}


def listen(host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """Take a port.

    Raises:
        ConfigError: it can't be listened on.
    """
    try:
        return listen_at(host, port, handler)
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "name an address of this machine in health.host")
        raise ConfigError(
            f"health.port = {port}: can't be listened on at health.host = {host} ({error.strerror}): {remedy}"
        ) from error


def require_port(host: str, port: int) -> None:
    """Take a port, and give it back.

    Raises:
        ConfigError: it can't be listened on.
    """
    listen(host, port, BaseHTTPRequestHandler).server_close()


class HealthServer:
    """Answers probes in threads of its own."""

    def __init__(self, host: str, port: int, vitals: Vitals, registry: CollectorRegistry) -> None:
        """Listen.

        Raises:
            ConfigError: it can't listen there.
        """
        handler = type("Handler", (_Handler,), {"vitals": vitals, "registry": registry})
        self._server = listen(host, port, handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_port)
        """The port it listens on."""
        self._thread = threading.Thread(target=self._serve, name="health", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering. May be called without `start`."""
        if self._thread.is_alive():
            with contextlib.suppress(OSError):  # not every system can: then it waits for the next poll
                self._server.socket.shutdown(socket.SHUT_RDWR)
            self._server.shutdown()
        self._server.server_close()

    def _serve(self) -> None:
        self._server.serve_forever(_SHUTDOWN_POLL_S)


class _Handler(BaseHTTPRequestHandler):
    """Answers one probe."""

    vitals: Vitals
    registry: CollectorRegistry
    timeout = 5

    def do_GET(self) -> None:
        """By the path."""
        if self.path == "/metrics":
            self._metrics()
        elif self.path == "/healthz":
            self._probe(self.vitals.problems())
        elif self.path == "/readyz":
            self._probe(self.vitals.waiting() + self.vitals.problems())
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"/healthz, /readyz, /metrics\n")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Probes come every few seconds: say nothing."""

    def _metrics(self) -> None:
        try:
            text = generate_latest(self.registry)
        except KardusError as error:  # the outbox is closed: the agent is stopping
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", f"{error}\n".encode())
            return
        self._send(HTTPStatus.OK, CONTENT_TYPE_LATEST, text)

    def _probe(self, problems: list[str]) -> None:
        status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
        body = json.dumps({"ok": not problems, "problems": problems}) + "\n"
        self._send(status, "application/json", body.encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
