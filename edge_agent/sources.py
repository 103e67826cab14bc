"""The source that a configuration names, the simulated rack included: it is loaded only where one is named."""

from __future__ import annotations

from edge_agent.camera import source
from edge_agent.camera.source import Source
from edge_agent.config.cameras import CameraSection
from edge_agent.config.sources import SimulatedSource


def open_source(camera: CameraSection) -> Source:
    """The source that the configuration names. Opens nothing yet; see `Source.pictures`.

    Raises:
        ConfigError: its password file cannot be read.
    """
    if isinstance(camera.source, SimulatedSource):
        from simulator.camera import SimulatedCamera  # noqa: PLC0415 - an agent with real cameras runs without it

        return SimulatedCamera(camera.source)
    return source.open_source(camera.source)
