"""The packets of a stream at rest since its last key frame: with them every frame can be decoded again at once."""

from edge_agent.camera.rest.slices import VideoPacket

KEPT_BYTES = 32_000_000
"""With more to catch up with, it is better to decode as it comes."""
CATCH_UP_S = 2.0
"""Nor may it take longer: nothing is read meanwhile, and no picture is of now."""
OF_LATE = 0.02
"""The share of the newest in the mean of what a frame takes."""


class KeptPackets:
    """Keeps them while a stream rests, and counts them always: it may rest only where they could be caught up with."""

    def __init__(self) -> None:
        """None has come."""
        self.packets: list[tuple[VideoPacket, float]] = []
        """From the last key frame on, and when each came."""
        self._number = self._most = self._bytes = 0
        """How many have come since the last key frame, or came before it, and how large they are."""
        self._frame_s = 0.0

    def take(self, packet: VideoPacket, came_s: float, *, is_resting: bool) -> None:
        """One has come: a key frame is always kept, since it may be the first of a rest."""
        if packet.is_keyframe:
            self._most, self.packets, self._number, self._bytes = self._number, [], 0, 0
        if packet.is_keyframe or (is_resting and self._bytes <= KEPT_BYTES):  # the one that is too many, too
            self.packets.append((packet, came_s))
        self._number += 1
        self._bytes += packet.size

    def note_decoded(self, took_s: float) -> None:
        """So long a frame has taken to decode."""
        self._frame_s += OF_LATE * (took_s - self._frame_s)

    @property
    def are_soon_decoded(self) -> bool:
        """Whether they could be caught up with, by what a frame took of late."""
        return self._bytes <= KEPT_BYTES and max(self._number, self._most) * self._frame_s <= CATCH_UP_S

    def clear(self) -> None:
        """Keep none any more."""
        self.packets = []
