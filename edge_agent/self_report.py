"""What the agent says of itself and its cameras: status, health, coverage, Home Assistant, replies to commands."""

import json
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from edge_agent.cameras import Cameras
from edge_agent.config.sections import HomeAssistantSection
from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.deciding.recorder import Recorder
from edge_agent.reporting.outbox.outbox import Outbox
from kardus import __version__
from kardus.contract.commands import Reply
from kardus.contract.homeassistant import discovery_document, discovery_topic
from kardus.contract.messages import Coverage, LastPicture
from kardus.mqtt.session import MqttSession

STATUS_EVERY_S = 300.0
"""So often the status is told anew, with the room on the disk, what waits, and the cameras' last pictures."""

FIRST_CONNECTION_S = 3.0
"""How long the first look waits for the broker, so that the expected stock is there before it."""
FIRST_STATUS_S = 30.0
"""And the first time after the start, when the cameras have given pictures."""

log = logging.getLogger("kardus.agent")


class SelfReport:
    """Owned by the agent's thread, but for `publish_status`. Status and replies are never stored, all else is."""

    def __init__(
        self,
        session: MqttSession,
        writer: MessageWriter,
        recorder: Recorder,
        cameras: Cameras,
        outbox: Outbox,
    ) -> None:
        """Keep the parts that it uses."""
        self._topics = writer.topics
        self._session = session
        self._writer = writer
        self._recorder = recorder
        self._cameras = cameras
        self._outbox = outbox
        self._next_s = time.monotonic() + FIRST_STATUS_S
        self._measured = self._measure()
        self._today = _today()
        self.trouble = ""
        """What the agent can't do now, published with its status."""
        self._told = ""
        """What of it was published last."""

    def await_broker(self, given_up: Callable[[], bool]) -> None:
        """Wait for the first connection, a little while; `given_up`, asked often, ends it."""
        if not self._session.wait_connected(FIRST_CONNECTION_S, given_up):
            log.warning("starting without the broker; what is decided is kept in the outbox")

    def publish_status(self, connection: int | None = None) -> None:
        """Publish the agent's status: over this connection, else over the present one, if there is one."""
        connection = self._session.connection if connection is None else connection
        if connection is None:
            return
        self._told = self._reason()
        epoch, sequence = self._recorder.position
        count, now = len(self._cameras.locations), datetime.now(UTC)
        status = self._writer.online(
            count, __version__, now, epoch=epoch, sequence=sequence, reason=self._told, **self._measured
        )
        self._session.publish(connection, *status, retain=True)

    def publish_health(self) -> None:
        """Status and every camera's health once more."""
        self.publish_status()
        for camera in self._cameras.values():
            if camera.status is not None:
                self._recorder.record_health(camera.health(camera.status))

    def publish_everything(self) -> int:
        """Status, health and every state once more; how many states."""
        self.publish_health()
        self._recorder.publish_again()
        return len(self._recorder.states)

    def publish_discovery(self, home: HomeAssistantSection, gone: Sequence[str] = ()) -> None:
        """Tell Home Assistant, where it is wanted, what there is, and which locations are gone."""
        if home.discovery:
            document = discovery_document(self._topics, __version__, self._cameras.locations, list(self._cameras), gone)
            self._recorder.record_retained(discovery_topic(home.prefix, self._topics), json.dumps(document).encode())

    def forget_others(self, home: HomeAssistantSection) -> None:
        """Clear the topics of what isn't configured any more."""
        kept = [discovery_topic(home.prefix, self._topics)] if home.discovery else []
        self._recorder.forget_others(self._topics, self._cameras.locations, self._cameras, kept)

    def reply(self, topic: str, correlation: bytes, reply: Reply) -> None:
        """Answer a command over the present connection, or not at all; nobody waits for a late answer."""
        connection = self._session.connection
        if topic and connection is not None:
            payload = reply.model_dump_json().encode()
            self._session.publish(connection, topic, payload, retain=False, correlation=correlation)

    def report_coverage(self) -> Coverage:
        """Store which locations were verified since the day (UTC) began."""
        return self._recorder.record_coverage(self._cameras.locations, self._today)

    def tick(self) -> None:
        """At the end of a day (UTC) its coverage is told; and its status, when there is something else to say."""
        if time.monotonic() >= self._next_s:
            self._next_s, self._measured = time.monotonic() + STATUS_EVERY_S, self._measure()
            self.publish_status()
        if self._reason() != self._told:
            self.publish_status()
        if (today := _today()) != self._today:
            if today > self._today:  # a day is over; else the clock was ahead, and is right now
                self.report_coverage()
            self._today = today

    def _measure(self) -> dict[str, Any]:
        """The status's figures, measured every STATUS_EVERY_S; the network's thread may publish the last ones."""
        captures = self._cameras.last_captures()
        return {
            "disk_free_mb": self._outbox.free_bytes() // 1_000_000,
            "waiting": self._outbox.depth().total,
            "last_pictures": tuple(LastPicture(camera=name, captured=when) for name, when in captures.items()),
        }

    def _reason(self) -> str:
        return "; ".join(filter(None, (self.trouble, self._session.conflict)))


def _today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
