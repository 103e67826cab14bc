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

from warehouse.connectors.deliver.answers import is_refusal
from warehouse.connectors.deliver.capture_job import CaptureJob, job_of
from warehouse.connectors.deliver.target import Outgoing, Refusals, TargetBusyError, TargetError
from warehouse.connectors.epcis.document import document
from warehouse.connectors.epcis.events import NotExpressibleError, object_event
from warehouse.connectors.epcis.mapping import Identifiers, read_identifiers
from warehouse.connectors.http_client import STOP_GRACE_S, HttpClient, headers_from, plain_client
from warehouse.connectors.secret import SecretPath
from warehouse.connectors.web_address import WebAddress

JOB_S = 30.0
"""How long a job is waited for at a time; one that takes longer is asked for again at the next attempt. After a restart
it is begun anew, and `eventID` tells what is there already."""
MAX_JOBS = 100
"""So many whose outcome isn't known are kept in mind."""
POLL_S = 0.2
VERSIONS = {"GS1-EPCIS-Version": "2.0.0", "GS1-CBV-Version": "2.0.0", "GS1-Capture-Error-Behaviour": "rollback"}


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
        self._client = HttpClient(plain_client(settings.ca_file, headers), TargetError, grace_s=STOP_GRACE_S)
        self._stopping = threading.Event()
        self._begun: dict[tuple[int, ...], CaptureJob] = {}
        """Jobs whose outcome isn't known: of which events, by their numbers."""

    def wants(self, outgoing: Outgoing) -> bool:
        """A doubt, and what has no identifier, isn't told to partners."""
        return self._expressed(outgoing) is not None

    def send(self, events: Sequence[Outgoing]) -> Refusals:
        """Capture them; what is refused alone is refused."""
        begun = self._begun_first(events)
        if 0 < begun < len(events):  # more has come since
            return {**self.send(events[:begun]), **self.send(events[begun:])}
        told = [expressed for one in events if (expressed := self._expressed(one)) is not None]
        reason = self._captured(tuple(one.number for one in events), told)
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

    def _captured(self, which: tuple[int, ...], events: list[dict[str, Any]]) -> str:
        """Empty, or why the document isn't taken."""
        if which not in self._begun:
            try:
                answer = self._client.post(self._url, json=document(events, datetime.now(UTC)))
            except TargetError as error:
                if is_refusal(error):
                    return str(error)
                raise
            job = job_of(self._client, answer, self._url)
            if job is None:
                return ""
            self._remember(which, job)
        return self._outcome(which)

    def _outcome(self, which: tuple[int, ...]) -> str:
        """Of a document that was accepted; it isn't sent again as long as its job may be there."""
        job, until_s = self._begun[which], time.monotonic() + JOB_S
        while True:
            try:
                state = job.asked(self._client)
            except TargetError as error:
                if job.is_lost(error):
                    del self._begun[which]
                    raise
                raise TargetBusyError(str(error), error.status, error.answer, error.retry_after_s) from error
            if not state.is_running:
                del self._begun[which]
                return state.reason
            if time.monotonic() >= until_s or self._stopping.wait(POLL_S):
                raise TargetBusyError(f"{job.url}: the capture job isn't over within {JOB_S:g} s")

    def _remember(self, which: tuple[int, ...], job: CaptureJob) -> None:
        while len(self._begun) >= MAX_JOBS:
            del self._begun[next(iter(self._begun))]
        self._begun[which] = job

    def _begun_first(self, events: Sequence[Outgoing]) -> int:
        """Of how many of the events, from the first on, there is a job already; 0: of none."""
        which = tuple(one.number for one in events)
        return max((len(begun) for begun in self._begun if which[: len(begun)] == begun), default=0)
