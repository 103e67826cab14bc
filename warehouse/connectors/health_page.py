"""A page for whoever watches a connector: `/` says in JSON how it goes, `/metrics` the same for Prometheus."""

import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from kardus.support.errors import UsageError
from kardus.support.web_listener import listen_at


@dataclass(frozen=True)
class HealthReport:
    """How it goes at one moment."""

    is_well: bool
    """Whether nothing is wrong; else `/` answers 503."""
    told: Mapping[str, Any]
    """What `/` says, for JSON."""
    metrics: str
    """What `/metrics` says."""


def metrics(prefix: str, statuses: Mapping[str, Any], counters: Collection[str]) -> str:
    """Fields of statuses of one class in Prometheus' text format.

    https://prometheus.io/docs/instrumenting/exposition_formats/. A text is 0 where it is empty, else 1.

    Args:
        prefix: what every name begins with, as `kardus_sync_`.
        statuses: data classes, by their labels, as `target="erp"`; one without a label is under the empty text.
        counters: fields that only grow; the others are gauges.
    """
    return "\n".join(_lines(prefix, statuses, counters)) + "\n"


def _lines(prefix: str, statuses: Mapping[str, Any], counters: Collection[str]) -> Iterator[str]:
    for field in fields(next(iter(statuses.values()))):
        is_counter = field.name in counters
        name = prefix + field.name + ("_total" if is_counter else "")
        yield f"# TYPE {name} {'counter' if is_counter else 'gauge'}"
        for label, status in statuses.items():
            value = getattr(status, field.name)
            yield f"{name}{label and f'{{{label}}}'} {int(bool(value)) if isinstance(value, str) else value}"


class HealthPage:
    """Serves them; use it in a `with` statement."""

    def __init__(self, address: str, port: int, report: Callable[[], HealthReport]) -> None:
        """Listen; `report` is asked for every answer, from threads of the page's own.

        Raises:
            UsageError: it can't.
        """
        try:
            self._server = listen_at(address, port, _handler(report))
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


def _handler(report: Callable[[], HealthReport]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            found = report()
            if self.path == "/metrics":
                return self._answer(200, "text/plain; version=0.0.4; charset=utf-8", found.metrics)
            if self.path != "/":
                return self._answer(404, "text/plain; charset=utf-8", "see / and /metrics\n")
            return self._answer(200 if found.is_well else 503, "application/json", json.dumps(found.told))

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
