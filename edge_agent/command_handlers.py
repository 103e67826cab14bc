"""The handlers of commands from the WMS side. Part of the wiring: they join cameras, recorder and evidence."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from edge_agent.archive.evidence import Evidence, snapshot_jpeg
from edge_agent.cameras import Camera
from edge_agent.control.commands import Handler
from edge_agent.deciding.recorder import Recorder
from kardus.contract.commands import Acknowledge, Capture, FetchEvidence, Resend, SetLogLevel, Snapshot
from kardus.contract.messages import Coverage
from kardus.support.errors import KardusError


class CommandHandlers:
    """One handler a command. Owned by the agent's thread."""

    def __init__(
        self,
        cameras: Mapping[str, Camera],
        recorder: Recorder,
        evidence: Evidence,
        *,
        publish_all: Callable[[], None],
        report_coverage: Callable[[], Coverage],
        reload: Callable[[], None],
        change_model: Handler,
        send_again: Callable[[str, int, int], list[tuple[int, int]]],
    ) -> None:
        """`publish_all` publishes status and health again, `reload` reads the configuration again."""
        self._cameras = cameras
        self._recorder = recorder
        self._evidence = evidence
        self._publish_all = publish_all
        self._report_coverage = report_coverage
        self._reload = reload
        self._change_model = change_model
        self._send_again = send_again

    @property
    def handlers(self) -> dict[str, Handler]:
        """The handlers by the command's name."""
        return {
            "capture": self._capture,
            "snapshot": self._snapshot,
            "acknowledge": self._acknowledge,
            "rebirth": self._rebirth,
            "coverage": self._coverage,
            "evidence": self._fetch,
            "log-level": _set_log_level,
            "reload": self._read_again,
            "model": self._change_model,
            "resend": self._resend,
        }

    def _capture(self, command: Capture) -> dict[str, Any]:
        cameras = [self._camera(command.camera)] if command.camera else list(self._cameras.values())
        locations = [(camera, location) for camera in cameras for location in camera.locations]
        for camera, location in locations:
            camera.votes.want(location)
        for camera in cameras:
            camera.reader.hurry()
        return {"locations": len(locations)}

    def _snapshot(self, command: Snapshot) -> dict[str, Any]:
        view = self._camera(command.camera).view
        if view.last_frame is None:
            raise KardusError(f"camera '{command.camera}' has given no good picture yet: see its health")
        return {"captured": view.last_capture.isoformat(), "jpeg": _base64(snapshot_jpeg(view.last_frame))}

    def _acknowledge(self, command: Acknowledge) -> dict[str, Any]:
        alert = self._recorder.acknowledge(command.location, command.by, datetime.now(UTC))
        if alert is None:
            raise KardusError(f"location '{command.location}' has no alert that stands: see its state")
        return {"alert": alert.id}

    def _rebirth(self, _: object) -> dict[str, Any]:
        self._publish_all()
        self._recorder.publish_again()
        return {"states": len(self._recorder.states)}

    def _read_again(self, _: object) -> dict[str, Any]:
        self._reload()
        return {"locations": sum(len(camera.locations) for camera in self._cameras.values())}

    def _coverage(self, _: object) -> dict[str, Any]:
        coverage = self._report_coverage()
        return {"total": coverage.total, "verified": coverage.verified}

    def _fetch(self, command: FetchEvidence) -> dict[str, Any]:
        pictures = self._evidence.fetch(command.event)
        if not pictures:
            raise KardusError(f"no pictures of event {command.event} are kept: see [evidence] in docs/configuration.md")
        return {kind: _base64(jpeg) for kind, jpeg in pictures.items()}

    def _resend(self, command: Resend) -> dict[str, Any]:
        found = self._send_again(command.epoch, command.first, command.last)
        return {"found": [list(ends) for ends in found]}

    def _camera(self, name: str) -> Camera:
        if name not in self._cameras:
            raise KardusError(f"no such camera '{name}': one of {', '.join(self._cameras)}")
        return self._cameras[name]


def _set_log_level(command: SetLogLevel) -> dict[str, Any]:
    logging.getLogger("kardus").setLevel(command.level.upper())
    return {}


def _base64(jpeg: bytes) -> str:
    return base64.b64encode(jpeg).decode()
