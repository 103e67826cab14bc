"""A partner's EPCIS 2.0 repository: documents of several events to its capture interface.

Source: GS1's OpenAPI file of EPCIS 2.0 (`POST /capture` answers 202 and where the job's state is; a job with
`GS1-Capture-Error-Behaviour: rollback` takes all of its events or none).
"""

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from warehouse.connectors.deliver.answers import is_refusal, is_refused_with
from warehouse.connectors.deliver.target import Outgoing, Refusals, TargetError
from warehouse.connectors.epcis.document import document
from warehouse.connectors.epcis.events import NotExpressibleError, object_event
from warehouse.connectors.epcis.mapping import Identifiers, read_identifiers
from warehouse.connectors.http_client import HttpClient, headers_from, plain_client
from warehouse.connectors.secret import SecretPath
from warehouse.connectors.web_address import WebAddress

JOB_S = 30.0
"""How long a job is waited for at a time; one that takes longer is asked for again at the next attempt. After a restart
it is begun anew, and `eventID` tells what is there already."""
POLL_S = 0.2
GRACE_S = 2.0
VERSIONS = {"GS1-EPCIS-Version": "2.0.0", "GS1-CBV-Version": "2.0.0", "GS1-Capture-Error-Behaviour": "rollback"}
_SAID = 300


class EpcisSettings(BaseModel):
    """`[targets.NAME]` with `kind = "epcis"`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["epcis"]
    """An EPCIS 2.0 repository."""
    url: WebAddress
    """Its base address, without `/capture`."""
    mapping: Path
    """The GS1 identifiers, as for `kardus-wms export`; the path begins at the file's folder."""
    headers_file: SecretPath | None = None
    """File with headers of every request, one a line as `Authorization: ...`, for you alone."""
    batch: Annotated[int, Field(ge=1, le=1000)] = 50
    """At most so many events in a document."""
    ca_file: Path | None = None
    """Authorities that may vouch for the server (PEM); else the system's."""


class EpcisTarget:
    """Sends what EPCIS has words for. A document that is refused is halved until the event is found."""

    def __init__(self, key: str, settings: EpcisSettings) -> None:
        """Prepare; `key` is the table's in the file.

        Raises:
            KardusError: the mapping or the headers can't be read.
        """
        self.batch = settings.batch
        self._url = settings.url.rstrip("/") + "/capture"
        self.name = self._url
        self._identifiers: Identifiers = read_identifiers(settings.mapping)
        headers = headers_from(f"{key}.headers_file", settings.headers_file) | VERSIONS
        self._client = HttpClient(plain_client(settings.ca_file, headers), TargetError, grace_s=GRACE_S)
        self._stopping = threading.Event()
        self._begun: tuple[tuple[str, ...], str] | None = None
        """A job that wasn't over when it was waited for: of which events, and where its state is."""

    def wants(self, outgoing: Outgoing) -> bool:
        """A doubt, and what has no identifier, isn't told to partners."""
        return self._expressed(outgoing) is not None

    def send(self, events: Sequence[Outgoing]) -> Refusals:
        """Capture them; what is refused alone is refused."""
        told = [expressed for one in events if (expressed := self._expressed(one)) is not None]
        reason = self._captured(told)
        if not reason:
            return {}
        if len(events) == 1:
            return {events[0].number: reason}
        half = len(events) // 2
        return {**self.send(events[:half]), **self.send(events[half:])}

    def stop(self) -> None:
        """Let a request under way end soon."""
        self._stopping.set()
        self._client.stop()

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _expressed(self, one: Outgoing) -> dict[str, Any] | None:
        try:
            return object_event(one.envelope.id, one.event, self._identifiers)
        except NotExpressibleError:
            return None

    def _captured(self, events: list[dict[str, Any]]) -> str:
        """Empty, or why the document isn't taken."""
        which = tuple(str(event["eventID"]) for event in events)
        begun, self._begun = self._begun, None
        if begun is not None and begun[0] == which:
            return self._outcome(*begun)
        try:
            answer = self._client.request("POST", self._url, json=document(events, datetime.now(UTC)))
        except TargetError as error:
            if is_refusal(error):
                return str(error)
            raise
        job = answer.headers.get("location", "")
        return self._outcome(which, self._client.neighbour(answer, job)) if job else ""

    def _outcome(self, which: tuple[str, ...], job: str) -> str:
        until_s = time.monotonic() + JOB_S
        while True:
            found = self._client.json(self._client.request("GET", job))
            if not isinstance(found, dict) or "running" not in found:
                raise TargetError(f"{job}: says nothing of the capture job")
            if not found["running"]:
                return "" if found.get("success") else self._refusal(job, found)
            if time.monotonic() >= until_s or self._stopping.wait(POLL_S):
                self._begun = which, job
                raise TargetError(f"{job}: the capture job isn't over within {JOB_S:g} s")

    def _refusal(self, job: str, found: dict[str, Any]) -> str:
        """Why a job took nothing, where that is an event's fault."""
        errors = found.get("errors")
        statuses = [one.get("status") for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
        if statuses and all(type(status) is int and not is_refused_with(status) for status in statuses):
            raise TargetError(f"{job}: {_errors(found)}")
        return _errors(found)


def _errors(job: dict[str, Any]) -> str:
    """What a job says went wrong: problem details (RFC 7807), or where they are."""
    errors = job.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    told = " ".join(str(first[name]) for name in ("title", "detail") if first.get(name))
    return " ".join((told or str(job.get("errorFile") or "the capture job failed")).split())[:_SAID]
