"""What the agent says of itself and its cameras: status, health, Home Assistant, every state once more."""

from collections.abc import Sequence
from datetime import UTC, datetime

from edge_agent.cameras import Cameras
from edge_agent.config.sections import HomeAssistantSection
from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.deciding.recorder import Recorder
from edge_agent.reporting.announcer import Announcer
from kardus import __version__
from kardus.contract.homeassistant import discovery_topic
from kardus.contract.topics import Topics
from kardus.mqtt.session import MqttSession


class SelfReport:
    """Joins cameras and recorder with the announcer. Owned by the agent's thread."""

    def __init__(
        self, topics: Topics, session: MqttSession, writer: MessageWriter, recorder: Recorder, cameras: Cameras
    ) -> None:
        """Keep whom to ask; `announcer` publishes what isn't stored."""
        self._topics = topics
        self._writer = writer
        self._recorder = recorder
        self._cameras = cameras
        self.announcer = Announcer(topics, session, self._status_message, recorder.record_retained)

    def publish_health(self) -> None:
        """Status and every camera's health once more."""
        self.announcer.publish_status()
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
        self.announcer.publish_discovery(home, self._cameras.locations, list(self._cameras), gone)

    def forget_others(self, home: HomeAssistantSection) -> None:
        """Clear the topics of what isn't configured any more."""
        kept = [discovery_topic(home.prefix, self._topics)] if home.discovery else []
        self._recorder.forget_others(self._topics, self._cameras.locations, self._cameras, kept)

    def _status_message(self, trouble: str) -> tuple[str, bytes]:
        epoch, sequence = self._recorder.position
        count, now = len(self._cameras.locations), datetime.now(UTC)
        return self._writer.online(count, __version__, now, epoch=epoch, sequence=sequence, reason=trouble)
