"""A capture job of EPCIS 2.0: where its state is, and what that says.

Source: GS1's OpenAPI file of EPCIS 2.0 (`Location` of `POST /capture`, `GET /capture/{captureID}`, `CaptureJob`).
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import httpx2

from kardus.support.whole_numbers import whole_number
from warehouse.connectors.deliver.answers import is_refused_with
from warehouse.connectors.deliver.target import TargetError
from warehouse.connectors.http_client import HttpClient

_GONE = frozenset({httpx2.codes.NOT_FOUND, httpx2.codes.GONE})
_MAX_STATUS = 999
_SAID = 300


@dataclass(frozen=True)
class CaptureJob:
    """What became of a document that was accepted."""

    url: str
    """Where its state is, on the target's own server."""
    elsewhere: str = ""
    """The repository named another server, as behind a proxy: what is said of that. The job is asked for under the
    target's own address all the same, since `/capture/{captureID}` is the standard's."""

    def is_lost(self, error: TargetError) -> bool:
        """Whether the repository knows nothing of it any more, so that the document is to be sent again."""
        return not self.elsewhere and error.status in _GONE

    def asked(self, client: HttpClient) -> "JobState":
        """Ask the repository for the job's state.

        Raises:
            TargetError: nobody says.
        """
        try:
            return _state_of(self.url, client.json(client.request("GET", self.url)))
        except TargetError as error:
            if not self.elsewhere:
                raise
            raise TargetError(f"{error}; {self.elsewhere}", error.status, error.answer, error.retry_after_s) from error


@dataclass(frozen=True)
class JobState:
    """The state of a capture job, as the repository says it."""

    is_running: bool
    reason: str = ""
    """Why it took nothing; empty: it took everything, or isn't over."""


def job_of(client: HttpClient, accepted: httpx2.Response, capture_url: str) -> CaptureJob | None:
    """The job of a document that was accepted; None: there is none, and it is taken."""
    named = accepted.headers.get("location", "").strip()
    if not named:
        return None
    try:
        return CaptureJob(client.neighbour(accepted, named))
    except TargetError as error:
        name = unquote(named.partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2])
        return CaptureJob(f"{capture_url}/{quote(name, safe='')}", str(error))


def _state_of(job: str, found: Any) -> JobState:
    """What a job's document says. Its two flags are the standard's own, true or false: a text would be taken for true.

    Raises:
        TargetError: it isn't one; or it failed by the repository's own fault.
    """
    if not isinstance(found, dict) or not all(type(found.get(flag)) is bool for flag in ("running", "success")):
        raise TargetError(f"{job}: says nothing of the capture job: 'running' and 'success' must be true or false")
    if found["running"] or found["success"]:
        return JobState(found["running"])
    statuses = [_status(one["status"]) for one in _errors(found) if "status" in one]
    if statuses and not any(map(is_refused_with, statuses)):
        raise TargetError(f"{job}: {_reason(found)}")
    return JobState(is_running=False, reason=_reason(found))


def _errors(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Problem details (RFC 9457), as far as they are any."""
    errors = job.get("errors")
    return [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []


def _status(given: Any) -> int:
    """A status, also as a text; 0: it is none, and so says nothing against an event."""
    if type(given) is int:
        return given
    return (whole_number(given, _MAX_STATUS) or 0) if isinstance(given, str) else 0


def _reason(job: dict[str, Any]) -> str:
    """What a job says went wrong, or where that is."""
    first = next(iter(_errors(job)), {})
    told = " ".join(str(first[name]) for name in ("title", "detail") if first.get(name))
    return " ".join((told or str(job.get("errorFile") or "the capture job failed")).split())[:_SAID]
