"""A page for whoever watches a command that runs for good, the same for each of them.

`/` says in JSON how it goes, `/metrics` the same for Prometheus; `/healthz` that it runs, `/readyz` that all is well.
"""

import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, Protocol, Self

from kardus.support.errors import UsageError
from kardus.support.web_listener import listen_at

EXPIRY_METRIC = "certificate_expiry_timestamp_seconds"
"""What the end of a program's certificate is called in metrics, behind its prefix."""
_PATHS = ("/", "/healthz", "/readyz", "/metrics")


class WatchedStatus(Protocol):
    """A data class of counts and texts."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def problem(self) -> str:
        """What is wrong; empty: all is well."""


@dataclass(frozen=True)
class HealthReport:
    """How it goes at one moment."""

    problems: tuple[str, ...]
    """What is wrong; where anything is, `/` and `/readyz` answer 503."""
    content: Mapping[str, Any]
    """What `/` says, for JSON."""
    metrics: str
    """What `/metrics` says."""


def health_report(
    prefix: str,
    counters: Collection[str],
    statuses: Mapping[str, WatchedStatus],
    label: str = "",
    expiry: datetime | None = None,
) -> HealthReport:
    """Of a command that does one thing, or of each of several by its name.

    https://prometheus.io/docs/instrumenting/exposition_formats/. A text is 0 where it is empty, else 1; a truth 0 or 1.

    Args:
        prefix: what every name in the metrics begins with, as `kardus_sync_`.
        counters: fields that only grow; the others are gauges.
        statuses: of one class, by their names; one that has no name is under the empty text.
        label: what bears the names, as `target`.
        expiry: when the command's own certificate ends; None: it has none.
    """
    problems = tuple(f"{name}: {one.problem}" if name else one.problem for name, one in statuses.items() if one.problem)
    told = {name: asdict(one) for name, one in statuses.items()}
    labelled = {f'{{{label}="{name}"}}' if name else "": one for name, one in statuses.items()}
    lines = list(_lines(prefix, labelled, counters))
    if expiry is not None:
        name = prefix + EXPIRY_METRIC
        lines += [f"# TYPE {name} gauge", f"{name} {expiry.timestamp()}"]
    return HealthReport(problems, told.get("", told), "\n".join(lines) + "\n")


def _lines(prefix: str, statuses: Mapping[str, Any], counters: Collection[str]) -> Iterator[str]:
    for field in fields(next(iter(statuses.values()))):
        is_counter = field.name in counters
        name = prefix + field.name + ("_total" if is_counter else "")
        yield f"# TYPE {name} {'counter' if is_counter else 'gauge'}"
        for label, status in statuses.items():
            value = getattr(status, field.name)
            yield f"{name}{label} {int(bool(value)) if isinstance(value, str | bool) else value}"


class HealthPage:
    """Serves them; use it in a `with` statement."""

    def __init__(self, address: str, port: int, report: Callable[[], HealthReport]) -> None:
        """Listen; `report` is asked for every answer but `/healthz`, from threads of the page's own.

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
            if self.path == "/healthz":
                return self._probe(())  # whose thread has died, ends: that it answers is all there is to say
            if self.path not in _PATHS:
                return self._answer(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", ", ".join(_PATHS) + "\n")
            found = report()  # may ask a database that is slow or away, which is no reason to end a command that runs
            if self.path == "/metrics":
                return self._answer(HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", found.metrics)
            if self.path == "/readyz":
                return self._probe(found.problems)
            return self._answer(_status_of(found.problems), "application/json", json.dumps(found.content))

        def _probe(self, problems: Sequence[str]) -> None:
            """As the agent answers."""
            told = json.dumps({"ok": not problems, "problems": problems}) + "\n"
            self._answer(_status_of(problems), "application/json", told)

        def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing: who asks is of no interest."""

    return Handler


def _status_of(problems: Sequence[str]) -> HTTPStatus:
    return HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
