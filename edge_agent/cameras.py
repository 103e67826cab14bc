"""The agent's cameras: each with its reader, what it sees, the votes on its slots, and its health."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from PIL import Image

from edge_agent.camera import source
from edge_agent.camera.attention import Attention
from edge_agent.camera.reader import CameraReader, ReaderItem
from edge_agent.camera.source import PictureSource
from edge_agent.codes.rack_watch import RackWatch
from edge_agent.config import Config
from edge_agent.config.cameras import CameraSection
from edge_agent.config.sources import SimulatedSource
from edge_agent.deciding.judging import Votes
from edge_agent.records import Frame, LocationView
from edge_agent.seeing.camera_view import CameraView
from edge_agent.seeing.kept_colours import KeptColours
from edge_agent.seeing.mask import hidden
from kardus.contract.messages import CameraHealth, LocationState, Status
from kardus.contract.verdicts import Verdict
from kardus.support.errors import ConfigError, KardusError, UnknownLocationError

SILENT_S = 18.0
"""For so long, beside `interval_s`, a source may give neither picture nor error; then its reader counts as hanging."""

STAYING: frozenset[Status] = frozenset(
    {"dark", "over-exposed", "blurred", "covered", "moved", "no colour", "colour cast", "other rack"}
)
"""What can be wrong with a view for hours, as in a warehouse whose lights are off at night."""
PROBLEM_STAYS_S = 60.0
"""A camera with such a problem for so long counts as one at rest: what ends the problem is seen all the same."""
STOP_S = 2.0
"""How long all readers together are waited for; one that still hangs then ends with the process."""


def open_camera_source(camera: CameraSection) -> PictureSource:
    """The source that the configuration names. Opens nothing yet; see `PictureSource.pictures`.

    Raises:
        ConfigError: its password file cannot be read.
    """
    if isinstance(camera.source, SimulatedSource):
        from simulator.camera import SimulatedCamera  # noqa: PLC0415 - an agent with real cameras runs without it

        return SimulatedCamera(camera.source)
    return source.open_source(camera.source)


def open_camera(
    section: CameraSection,
    config: Config,
    open_source: Callable[[CameraSection], PictureSource] = open_camera_source,
    colours: KeptColours | None = None,
) -> tuple[PictureSource, CameraView]:
    """A camera's source, and what knows its slots in its pictures.

    Raises:
        ConfigError: a password file, the commissioning or the empty picture cannot be read.
    """
    try:
        opened = open_source(section)
    except ConfigError as error:
        raise ConfigError(f"cameras '{section.name}': {error}") from error
    return opened, CameraView(section, config.view, config.gate, live=opened.live, kept=colours)


@dataclass
class Camera:
    """A camera with what is known of it."""

    section: CameraSection
    reader: CameraReader
    view: CameraView
    votes: Votes
    rack: RackWatch = field(default_factory=RackWatch)
    """Which rack its labels say it looks at."""
    status: Status | None = None
    """Its health as it was last reported; None before the first picture."""
    reason: str = ""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    """Since when its health is so."""
    since_s: float = float("inf")
    """Since when it is well, or since when something is wrong that stays (`STAYING`), on the clock of its pictures."""
    newest: Frame | None = None
    """Its newest picture, whatever it is good for."""
    has_picture: bool = False
    """Whether it has given any picture."""
    last_word_s: float = field(default_factory=time.monotonic)
    """When its reader last said anything."""

    def __post_init__(self) -> None:
        """Know its name."""
        self.name = self.section.name

    @property
    def locations(self) -> tuple[str, ...]:
        """The locations in its picture."""
        return self.votes.locations

    @property
    def attention(self) -> Attention:
        """What was made of its last picture."""
        if self.status in STAYING and self.newest and self.newest.at_s - self.since_s >= PROBLEM_STAYS_S:
            return "rest"
        if self.status != "ok" or self.view.is_doubted:
            return "wanted"
        if self.votes.is_any_restless:
            return "moving"
        return "wanted" if self.votes.is_any_wanted else "rest"

    def location_view(self, location: str) -> LocationView | None:
        """A location in the last good picture; None before the first."""
        return self.view.location_view(self.votes.slots_of(location))

    def health(self, status: Status) -> CameraHealth:
        """Its health, to be told."""
        return CameraHealth(camera=self.name, status=status, reason=self.reason, since=self.since)

    def start_over(self) -> None:
        """Vote anew on every location, with a picture that is asked for at once."""
        self.votes.vote_anew()
        self.reader.hurry()

    def prove_colours(self, states: Mapping[str, LocationState]) -> None:
        """Keep the colours of its view once the stock was recognised in them."""
        since = self.view.first_capture
        if self.view.colours_proven or since is None:
            return
        known = [states[location] for location in self.locations if location in states]
        right = [s for s in known if s.verdict is Verdict.MATCH and s.last_verified and s.last_verified >= since]
        if 2 * len(right) >= len(self.locations):
            self.view.prove_colours()

    def is_silent(self, now_s: float) -> bool:
        """Whether a live camera's reader hangs: neither picture nor error, for longer than a source may take."""
        waited = now_s - self.last_word_s
        return self.reader.live and waited > SILENT_S + self.section.interval_s


@dataclass(frozen=True)
class PreparedCameras:
    """Cameras as a new configuration wants them, made before anything of the old ones is touched."""

    config: Config
    views: dict[str, tuple[CameraView, Votes]]
    """Of cameras whose reader stays, where their slots or pictures changed."""
    begun: dict[str, Camera]
    """New cameras, and those with another source."""
    ended: frozenset[str]
    """Those that are gone, and those with another source."""


class Cameras(dict[str, Camera]):
    """The cameras by their names. Owned by the agent's thread."""

    def __init__(
        self,
        config: Config,
        hand_over: Callable[[ReaderItem], None],
        open_camera_source: Callable[[CameraSection], PictureSource] = open_camera_source,
        colours: KeptColours | None = None,
    ) -> None:
        """Open nothing yet; `begin` starts the readers. `colours`: what is kept of the views' colours.

        Raises:
            ConfigError: a password file, a commissioning or an empty picture cannot be read.
        """
        self._hand_over = hand_over
        self._colours = colours or KeptColours(None)
        self._colours.forget_others([section.name for section in config.cameras])
        self._open_source = open_camera_source
        self.running: set[str] = set()
        """Those whose source may give more."""
        super().__init__({section.name: self._new(section, config) for section in config.cameras})

    @property
    def locations(self) -> list[str]:
        """Every location that is watched."""
        return [location for camera in self.values() for location in camera.locations]

    def watching(self, location: str) -> Camera:
        """The camera that sees a location.

        Raises:
            UnknownLocationError: none does.
        """
        for camera in self.values():
            if location in camera.locations:
                return camera
        raise UnknownLocationError(f"location '{location}': no camera of the configuration sees it")

    def known(self, name: str) -> Camera:
        """The camera of this name.

        Raises:
            KardusError: there is none.
        """
        if name not in self:
            raise KardusError(f"no such camera '{name}': one of {', '.join(self)}")
        return self[name]

    def capture(self, name: str | None) -> int:
        """Classify every location of a camera, or of all, with the next picture, which is asked for at once.

        Raises:
            KardusError: there is no such camera.
        """
        cameras = [self.known(name)] if name else list(self.values())
        for camera in cameras:
            for location in camera.locations:
                camera.votes.schedule_classification(location)
            camera.reader.hurry()
        return sum(len(camera.locations) for camera in cameras)

    def last_picture(self, name: str) -> tuple[datetime, Image.Image]:
        """A camera's last good picture, without what is masked, and when it was taken.

        Raises:
            KardusError: there is no such camera, or it has given none yet.
        """
        view = self.known(name).view
        picture = view.last_shown
        if picture is None:
            raise KardusError(f"camera '{name}' has given no good picture yet: see its health")
        return view.last_capture, picture

    def newest_picture(self, name: str) -> tuple[datetime, Image.Image]:
        """A camera's newest picture as it came, whatever it is good for, and when it was taken.

        Raises:
            KardusError: there is no such camera, or it has given none yet.
        """
        frame = self.known(name).newest
        if frame is None:
            raise KardusError(f"camera '{name}' has given no picture yet: see its health")
        return frame.captured, frame.picture

    def newest_shown(self, name: str) -> tuple[datetime, Image.Image]:
        """As `newest_picture`, without what is masked."""
        captured, picture = self.newest_picture(name)
        camera = self.known(name)
        return captured, hidden(picture, camera.section, camera.view.commissioned_size)

    def resting(self) -> dict[str, bool]:
        """Of each camera with a live stream: whether only what is looked at is decoded. From any thread."""
        found = {name: camera.reader.rests for name, camera in list(self.items())}
        return {name: rests for name, rests in found.items() if rests is not None}

    def last_captures(self) -> dict[str, datetime]:
        """When the last good picture of each camera was taken that has given one."""
        return {name: one.view.last_capture for name, one in self.items() if one.view.last_frame is not None}

    def corners(self, name: str) -> dict[str, list[list[list[float]]]]:
        """Where each location's facings are in a camera's last good picture: their corners in pixels."""
        camera = self.known(name)
        shown = {location: camera.location_view(location) for location in camera.locations}
        return {
            location: [[[round(float(x), 1), round(float(y), 1)] for x, y in facing] for facing in found.facings]
            for location, found in shown.items()
            if found is not None
        }

    def silent(self, now_s: float) -> list[str]:
        """Those whose reader hangs, and that nobody has reported as lost yet."""
        return [name for name, camera in self.items() if camera.is_silent(now_s) and camera.status != "lost"]

    @contextlib.contextmanager
    def connecting(self) -> Iterator[None]:
        """Let the cameras connect while all else is prepared; if that fails they are let go."""
        with contextlib.ExitStack() as failed:
            failed.callback(self.stop)
            for camera in self.values():
                camera.reader.connect()
            yield
            failed.pop_all()

    def begin(self) -> None:
        """Start the readers."""
        for name, camera in self.items():
            self.running.add(name)
            camera.last_word_s = time.monotonic()
            camera.reader.start()

    def stop(self) -> None:
        """Stop the readers."""
        _stop(camera.reader for camera in self.values())

    def prepare(self, config: Config) -> PreparedCameras:
        """Make what another configuration needs.

        Raises:
            ConfigError: a password file, a commissioning or an empty picture cannot be read.
        """
        views, begun = {}, {}
        for section in config.cameras:
            known = self.get(section.name)
            if known is None or known.section.source != section.source:
                begun[section.name] = self._new(section, config)
            elif _sees(known.section) != _sees(section):
                live = known.reader.live
                view = CameraView(section, config.view, config.gate, live=live, kept=self._colours)
                views[section.name] = view, _votes(view, config)
        stay = {section.name for section in config.cameras} - set(begun)
        return PreparedCameras(config, views, begun, frozenset(set(self) - stay))

    def end(self, names: Collection[str]) -> None:
        """Let readers go; they hand over nothing more."""
        readers = [self.pop(name).reader for name in names]
        self.running.difference_update(names)
        for reader in readers:
            reader.abandon()
        _stop(readers)

    def apply(self, prepared: PreparedCameras) -> None:
        """Go over to another configuration; readers whose source stays go on without a gap."""
        config = prepared.config
        self._colours.forget_others([section.name for section in config.cameras])
        wanted = {section.name: section for section in config.cameras}
        for name, camera in self.items():
            camera.section = wanted[name]
            if name in prepared.views:
                (camera.view, camera.votes), camera.rack = prepared.views[name], RackWatch()
                camera.reader.hurry()
            camera.view.apply_settings(config.view, config.gate)
            camera.votes.apply_settings(config.verdict)
            camera.reader.use_interval(wanted[name].interval_s)
        for name, camera in prepared.begun.items():
            self[name] = camera
            self.running.add(name)
            camera.reader.start()

    def _new(self, section: CameraSection, config: Config) -> Camera:
        opened, view = open_camera(section, config, self._open_source, self._colours)
        reader = CameraReader(section.name, opened, section.interval_s, self._hand_over)
        return Camera(section, reader, view, _votes(view, config))


def _stop(readers: Iterable[CameraReader]) -> None:
    """All are asked first and then waited for together; one that fails keeps no other from being stopped."""
    deadline = time.monotonic() + STOP_S
    with contextlib.ExitStack() as stops:  # what is put last is called first
        readers = list(readers)
        for reader in readers:
            stops.callback(_wait_for, reader, deadline)
        for reader in readers:
            stops.callback(reader.ask_to_stop)


def _wait_for(reader: CameraReader, deadline: float) -> None:
    reader.stop(max(0.0, deadline - time.monotonic()))


def _votes(view: CameraView, config: Config) -> Votes:
    return Votes([(slot.location, slot.facing) for slot in view.slots], config.verdict)


def _sees(section: CameraSection) -> CameraSection:
    """What a view is made of."""
    return section.model_copy(update={"source": None, "interval_s": 0})
