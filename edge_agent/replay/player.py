"""Plays a recording to the agent's own line under one configuration: no broker, no disk and no clock of its own."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from PIL import Image

from edge_agent.cameras import Cameras
from edge_agent.config import Config
from edge_agent.control.expected import IN_MEMORY, ExpectedStore
from edge_agent.deciding.message_writer import MessageWriter
from edge_agent.deciding.recorder import Recorder
from edge_agent.health.metrics import Metrics
from edge_agent.pipeline import TICK_S, Pipeline
from edge_agent.records import NO_PICTURES, EventPictures, ExpectedMessage, Finding, Frame, Message, SignalLost
from edge_agent.replay.comparison import VerdictChange
from edge_agent.replay.recorded import UNTIMED_START, ReplayedInput
from kardus.contract.messages import LocationState, Model
from kardus.contract.topics import Topics
from kardus.inference.bundle import Bundle
from kardus.inference.classifier import Classifier
from kardus.support.clock import SetClock
from kardus.support.errors import UsageError


class NoOutbox:
    """In place of the outbox: stores nothing."""

    epoch = "replay"

    def __init__(self) -> None:
        """Nothing has happened."""
        self.last_sequence = 0

    def append(
        self,
        messages: Sequence[Message],  # noqa: ARG002 - nobody is told
        states: Mapping[str, str | None],  # noqa: ARG002 - the recorder knows them
        last_sequence: int,
        epoch: str = "",  # noqa: ARG002 - it has one
    ) -> None:
        """Count."""
        self.last_sequence = last_sequence

    def states(self) -> dict[str, str]:
        """None: a replay begins anew."""
        return {}

    def retained(self) -> set[str]:
        """No topics: a replay finds nothing retained at a broker."""
        return set()


class NoCamera:
    """In place of a camera's source: the pictures come from the recording."""

    def __init__(self, *, live: bool) -> None:
        """Remember what kind of source it was."""
        self.live = live

    def pictures(self) -> Iterator[Image.Image | str]:
        """No pictures of its own: the recording has them."""
        return iter(())

    def close(self) -> None:
        """Holds nothing."""


class Player:
    """Owned by one thread."""

    def __init__(self, config: Config, live: Mapping[str, bool], model: tuple[Bundle, Classifier]) -> None:
        """Make the line for those cameras of the recording that the configuration has.

        Raises:
            DataError: a commissioning picture can't be read.
            UsageError: none of the recording's cameras is in the configuration.
        """
        sections = tuple(camera for camera in config.cameras if camera.name in live)
        if not sections:
            raise UsageError(
                f"no camera of the recording ({', '.join(live)}) is in the configuration: add its [[cameras]]"
            )
        bundle, classifier = model
        self.model = bundle.title
        self._clock = SetClock(UNTIMED_START)
        self._changes: list[VerdictChange] = []
        self._cameras = Cameras(
            config.model_copy(update={"cameras": sections}),
            hand_over=lambda _: None,
            open_camera_source=lambda section: NoCamera(live=live[section.name]),
        )
        named = Model(name=bundle.manifest.name, version=bundle.manifest.version)
        topics, valid_for_s = Topics(config.agent.site, config.agent.name), config.verdict.valid_for_s
        writer = MessageWriter(topics, named, valid_for_s, self._clock)
        self._recorder = Recorder(NoOutbox(), writer, valid_for_s, self._on_event, self._clock)
        self._metrics = Metrics()
        self._pipeline = Pipeline(
            self._cameras,
            classifier,
            ExpectedStore(IN_MEMORY, frozenset(self._cameras.locations), self._clock),
            self._recorder,
            metrics=self._metrics,
            grace_s=config.verdict.grace_s,
            clock=self._clock,
            is_late=lambda: False,
            doubt_s=config.view.doubt_s,
            refresh_s=config.gate.refresh_s,
        )

    @property
    def cameras(self) -> frozenset[str]:
        """Which cameras it looks through."""
        return frozenset(self._cameras)

    @property
    def locations(self) -> list[str]:
        """Every location that it watches."""
        return self._cameras.locations

    @property
    def states(self) -> Mapping[str, LocationState]:
        """The verdict at each location, as it stands."""
        return self._recorder.states

    @property
    def classified(self) -> int:
        """Crops that went through the model."""
        return int(self._metrics.registry.get_sample_value("kardus_classifications_total") or 0)

    def play(self, moment: ReplayedInput) -> list[VerdictChange]:
        """Deal with a moment as the agent would. Returns what changed.

        Raises:
            ConfigError: a location lies outside the first picture of its camera.
        """
        self._changes = []
        self._wait_until(moment)
        match moment.item:
            case Frame():
                self._pipeline.process([moment.item])
            case SignalLost():
                self._pipeline.signal_lost(moment.item)
            case ExpectedMessage():
                self._pipeline.expect(moment.item)
        self._pipeline.tick()
        return self._changes

    def _wait_until(self, moment: ReplayedInput) -> None:
        """Let the time go by in which the agent would have seen a grace or a doubt end."""
        now_s = self._clock.monotonic_s()
        while self._pipeline.waits and now_s + TICK_S < moment.at_s:
            now_s += TICK_S
            self._clock.set(moment.at - timedelta(seconds=moment.at_s - now_s), now_s)
            self._pipeline.tick()
        self._clock.set(moment.at, moment.at_s)

    def _on_event(self, _: str, finding: Finding) -> EventPictures:
        known = self.states.get(finding.location)
        self._changes.append(VerdictChange(self._clock.now(), finding, known.verdict.value if known else ""))
        return NO_PICTURES
