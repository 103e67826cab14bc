"""A page for whoever watches: `/` says in JSON how it goes with each target, `/metrics` the same for Prometheus."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from kardus.support.errors import UsageError
from kardus.support.web_listener import listen_at
from warehouse.connectors.deliver.worker import TargetStatus

COUNTERS = frozenset({"delivered", "passed_over", "refused"})
"""What only grows while the command runs; the others are gauges."""
Statuses = Callable[[], Mapping[str, TargetStatus]]


def metrics(statuses: Mapping[str, TargetStatus]) -> str:
    """In Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/."""
    return "\n".join(_lines(statuses)) + "\n"


def _lines(statuses: Mapping[str, TargetStatus]) -> Iterator[str]:
    for field in fields(TargetStatus):
        is_counter = field.name in COUNTERS
        name = f"kardus_deliver_{field.name}" + ("_total" if is_counter else "")
        yield f"# TYPE {name} {'counter' if is_counter else 'gauge'}"
        for target, status in statuses.items():
            value = getattr(status, field.name)
            yield f'{name}{{target="{target}"}} {int(bool(value)) if isinstance(value, str) else value}'


class HealthPage:
    """Serves them; use it in a `with` statement."""

    def __init__(self, address: str, port: int, statuses: Statuses) -> None:
        """Listen.

        Raises:
            UsageError: it can't.
        """
        try:
            self._server = listen_at(address, port, _handler(statuses))
        except OSError as error:
            raise UsageError(f"--health {address}:{port}: can't be listened to ({error.strerror})") from error
        self._server.daemon_threads = True
        self.port = self._server.server_port
        """Where it listens."""
        self._thread = threading.Thread(target=self._server.serve_forever, name="health page", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(statuses: Statuses) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = statuses()
            if self.path == "/metrics":
                return self._answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics(found))
            if self.path != "/":
                return self._answer(404, "text/plain; charset=utf-8", "see / and /metrics\n")
            is_well = not any(status.problem for status in found.values())
            told = json.dumps({name: asdict(status) for name, status in found.items()})
            return self._answer(200 if is_well else 503, "application/json", told)

        def _answer(self, status: int, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing: who asks is of no interest."""

    return Handler
