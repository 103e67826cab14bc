"""A stream's own time: on a busy machine packets come late, and are no further apart for it."""

from edge_agent.camera.rest.slices import VideoPacket

MAX_STEP_S = 10.0
"""Longer steps are mistakes of the camera's clock, in seconds."""
APART_S = 5.0
"""Packets come so much late or early, and no more: beyond it the camera's clock is too slow, too fast, or stands."""


class StreamTime:
    """Counts by the packets' own time, and by the machine's clock where they have none, or theirs is wrong."""

    def __init__(self) -> None:
        """No packet has come."""
        self._at_s = 0.0
        self._coded_s: float | None = None
        self._came_s: float | None = None
        self._first_s = 0.0

    def of(self, packet: VideoPacket, came_s: float) -> float:
        """Seconds of the stream at a packet that came at `came_s` of a clock that never jumps; never fewer than before.

        A clock that is wrong by a factor is followed until it is APART_S off, and ours from then on.
        """
        if self._came_s is None:
            self._first_s = self._came_s = came_s
        dts, unit = packet.dts, packet.time_base
        coded_s = None if dts is None else dts * unit.numerator / unit.denominator  # a Fraction's own product is slow
        step_s = came_s - self._came_s
        if coded_s is not None and self._coded_s is not None and 0 <= coded_s - self._coded_s <= MAX_STEP_S:
            step_s = coded_s - self._coded_s
        ours_s = came_s - self._first_s
        at_s = min(max(self._at_s + step_s, ours_s - APART_S), ours_s + APART_S)
        self._at_s, self._coded_s, self._came_s = max(self._at_s, at_s), coded_s, came_s
        return self._at_s
