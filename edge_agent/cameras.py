"""The agent's cameras: each with its reader, its part of the line, and its health. Belongs to the wiring."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from edge_agent.camera.reader import CameraReader
from edge_agent.contract.messages import CameraHealth, Status
from edge_agent.watch import Watch

SILENT_S = 18.0
"""No source may wait for a camera longer than this; one that does is reported, within 20 seconds, by others than it."""


@dataclass
class Camera:
    """A camera with what is known of it."""

    watch: Watch
    reader: CameraReader
    status: Status | None = None
    """Its health as it was last reported; None before the first picture."""
    reason: str = ""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    """Since when its health is so."""
    has_looked: bool = False
    """Whether it has given any picture."""
    last_word_s: float = field(default_factory=time.monotonic)
    """When its reader last said anything."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.watch.camera.name

    def health(self, status: Status) -> CameraHealth:
        """Its health, to be told."""
        return CameraHealth(camera=self.name, status=status, reason=self.reason, since=self.since)

    def is_silent(self) -> bool:
        """Whether a live camera's reader hangs: neither picture nor error, for longer than a source may take."""
        waited = time.monotonic() - self.last_word_s
        return self.reader.live and waited > SILENT_S + self.watch.camera.interval_s
