"""A stream's own time: on a busy machine packets come late, and are no further apart for it."""

from edge_agent.camera.slices import VideoPacket

MOST_S = 10.0
"""Longer steps are mistakes of the camera's clock, in seconds."""


class StreamTime:
    """Counts by the packets' own time, and by the machine's clock where they have none, or it jumps."""

    def __init__(self) -> None:
        """No packet has come."""
        self._at_s = 0.0
        self._coded_s: float | None = None
        self._came_s: float | None = None

    def of(self, packet: VideoPacket, came_s: float) -> float:
        """Seconds of the stream at a packet that came at `came_s` of a clock that never jumps."""
        coded_s = None if packet.dts is None else float(packet.dts * packet.time_base)
        step_s = came_s - self._came_s if self._came_s is not None else 0.0
        if coded_s is not None and self._coded_s is not None and 0 <= coded_s - self._coded_s <= MOST_S:
            step_s = coded_s - self._coded_s
        self._at_s, self._coded_s, self._came_s = self._at_s + step_s, coded_s, came_s
        return self._at_s
