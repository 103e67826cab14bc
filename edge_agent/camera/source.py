"""What every camera source gives, and the choice of the source that a configuration names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from edge_agent import config
from edge_agent.camera.simulated import SimulatedSource
from edge_agent.camera.still import FolderSource, StillSource
from edge_agent.camera.video import VideoSource
from edge_agent.config import CameraSection
from edge_agent.preprocess import Pixels


class Source(Protocol):
    """A camera. One contract suite (tests/edge_agent/camera) holds for every implementation."""

    def pictures(self) -> Iterator[Pixels | str]:
        """Pictures of shape (height, width, 3) uint8 RGB, one a look.

        A text in place of a picture says why there is none this time. The iterator ends when nothing more can come.
        It never raises for what a camera or a file may do wrong.
        """


def open_source(camera: CameraSection) -> Source:
    """The source that the configuration names. Opens nothing yet; see `Source.pictures`."""
    match camera.source:
        case config.StillSource(path=path):
            return StillSource(path)
        case config.FolderSource(path=path):
            return FolderSource(path)
        case config.VideoSource(path=path, every=every):
            return VideoSource(path, every)
        case config.SimulatedSource() as simulated:
            return SimulatedSource(simulated)
