"""The handlers of commands from the WMS side."""

import base64
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edge_agent.control.commands import CommandHandler
from kardus.contract.commands import Acknowledge, Correct, FetchEvidence, Resend, SetLogLevel, Snapshot
from kardus.contract.messages import Alert, Coverage, LocationState
from kardus.support.errors import KardusError

FacingCorners = dict[str, list[list[list[float]]]]
"""By location, of each facing: four points in pixels of the picture."""


@dataclass(frozen=True)
class CommandHandlers:
    """One handler a command, over what the agent can do. Called from the agent's thread."""

    capture: Callable[[str | None], int]
    """Classifies every location of a camera, or of all, once more; how many there are."""
    snapshot: Callable[[Snapshot], tuple[datetime, bytes, FacingCorners]]
    """A camera's picture: when it was taken, as JPEG, and where each location's facings are in it."""
    acknowledge: Callable[[str, str, datetime], Alert | None]
    """Marks a location's alert as known to somebody; None: none stands."""
    correct: Callable[[Correct], LocationState]
    """Takes up what somebody says that stands at a location; what it comes to."""
    publish_all: Callable[[], int]
    """Publishes status, health and every state again; how many states."""
    report_coverage: Callable[[], Coverage]
    fetch_evidence: Callable[[str], dict[str, bytes]]
    """An event's pictures (JPEG) by their kind."""
    reload: Callable[[], int]
    """Reads the configuration again; how many locations it has."""
    change_model: CommandHandler
    commission: Mapping[str, CommandHandler]
    """What lays cameras out, by the command's name."""
    send_again: Callable[[str, int, int], list[tuple[int, int]]]
    """Sends events of an epoch again; which are still there."""

    @property
    def handlers(self) -> dict[str, CommandHandler]:
        """The handlers by the command's name."""
        return {
            "capture": lambda command: {"locations": self.capture(command.camera)},
            "snapshot": self._snapshot,
            "acknowledge": self._acknowledge,
            "correct": self._correct,
            "rebirth": lambda _: {"states": self.publish_all()},
            "coverage": self._coverage,
            "evidence": self._fetch,
            "log-level": _set_log_level,
            "reload": lambda _: {"locations": self.reload()},
            "model": self.change_model,
            "resend": self._resend,
            **self.commission,
        }

    def _snapshot(self, command: Snapshot) -> dict[str, Any]:
        captured, jpeg, corners = self.snapshot(command)
        return {"captured": captured.isoformat(), "jpeg": _base64(jpeg), "corners": corners}

    def _acknowledge(self, command: Acknowledge) -> dict[str, Any]:
        alert = self.acknowledge(command.location, command.by, datetime.now(UTC))
        if alert is None:
            raise KardusError(f"location '{command.location}' has no alert that stands: see its state")
        return {"alert": alert.id}

    def _correct(self, command: Correct) -> dict[str, Any]:
        state = self.correct(command)
        return {"verdict": state.verdict.value, "corrected": state.corrected}

    def _coverage(self, _: object) -> dict[str, Any]:
        coverage = self.report_coverage()
        return {"total": coverage.total, "verified": coverage.verified}

    def _fetch(self, command: FetchEvidence) -> dict[str, Any]:
        pictures = self.fetch_evidence(command.event)
        if not pictures:
            raise KardusError(f"no pictures of event {command.event} are kept: see [evidence] in docs/configuration.md")
        return {kind: _base64(jpeg) for kind, jpeg in pictures.items()}

    def _resend(self, command: Resend) -> dict[str, Any]:
        found = self.send_again(command.epoch, command.first, command.last)
        return {"found": [list(ends) for ends in found]}


def _set_log_level(command: SetLogLevel) -> dict[str, Any]:
    logging.getLogger("kardus").setLevel(command.level.upper())
    return {}


def _base64(jpeg: bytes) -> str:
    return base64.b64encode(jpeg).decode()
