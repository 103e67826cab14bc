"""What every camera source gives, and the choice of the source that a configuration names."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from edge_agent.camera.attention import Attention
from edge_agent.camera.decoding.stream import mjpeg_source, rtsp_source, v4l2_source, video_source
from edge_agent.camera.still import FolderPictures, StillPicture
from edge_agent.config import sources
from edge_agent.config.sources import RealSource
from kardus.inference.part_decoded import GivenPicture


class PictureSource(Protocol):
    """A camera. One contract suite (tests/edge_agent/camera) holds for every implementation."""

    live: bool
    """Whether it shows what is there now: only then can it be frozen, and only then is it asked again for ever."""

    def pictures(self) -> Iterator[GivenPicture | str]:
        """Pictures, RGB, one a frame; decoded by half where an `Attentive` source was told that all rests.

        A text in place of a picture says why there is none this time. The iterator ends when nothing more can come.
        It never raises for what a camera or a file may do wrong.
        """

    def close(self) -> None:
        """Free what it holds, and end a wait for a picture. May be called from any thread."""


@runtime_checkable
class AttentiveSource(Protocol):
    """A source that does less while nothing happens."""

    attention: Attention
    """What was made of the last picture. May be set from any thread, also while another waits for a picture."""


@runtime_checkable
class RestingSource(Protocol):
    """A source that decodes more than it gives, but while nothing moves."""

    @property
    def rests(self) -> bool | None:
        """Whether no frame is decoded but what is given; None: none is decoded at all. From any thread."""

    @property
    def age_s(self) -> float:
        """How old the last picture was when it was given, in seconds: while nothing moves, one of before is given."""


@runtime_checkable
class Connecting(Protocol):
    """A source that takes its time to connect."""

    def connect(self) -> None:
        """Begin, before a picture is asked for; waits for nothing. Raises OSError."""


def open_source(section: RealSource) -> PictureSource:  # noqa: PLR0911 - one line a kind of source
    """The camera or file that a section of the configuration names. Opens nothing yet; see `PictureSource.pictures`.

    Raises:
        ConfigError: its password file cannot be read.
    """
    match section:
        case sources.StillSource(path=path):
            return StillPicture(path)
        case sources.FolderSource(path=path):
            return FolderPictures(path)
        case sources.VideoSource() as video:
            return video_source(video)
        case sources.RtspSource() as rtsp:
            return rtsp_source(rtsp)
        case sources.MjpegSource() as mjpeg:
            return mjpeg_source(mjpeg)
        case sources.SnapshotSource() as snapshot:
            from edge_agent.camera.http.snapshot import HttpSnapshot  # noqa: PLC0415 - others start sooner without HTTP

            return HttpSnapshot(snapshot)
        case sources.V4l2Source() as device:
            return v4l2_source(device)
