"""What is kept of a stream to catch up with, and when that would take too long."""

from typing import cast

import av
import pytest

from edge_agent.camera.rest.kept_packets import CATCH_UP_S, KEPT_BYTES, KeptPackets
from edge_agent.camera.rest.slices import VideoPacket


def _packet(size: int, *, is_key: bool = False) -> VideoPacket:
    packet = av.Packet(size)
    packet.is_keyframe = is_key
    return cast("VideoPacket", packet)


def test_of_a_stream_that_does_not_rest_its_last_key_frame_alone_is_kept() -> None:
    """A camera may send one in minutes: all since then were kept, for nothing."""
    kept = KeptPackets()
    for number in range(100):
        kept.take(_packet(1000, is_key=number == 50), number, is_resting=False)
    assert [came_s for _, came_s in kept.packets] == [50]
    for number in range(100, 103):
        kept.take(_packet(1000), number, is_resting=True)
    assert [came_s for _, came_s in kept.packets] == [50, 100, 101, 102]


@pytest.mark.parametrize("is_resting", [True, False])
def test_packets_that_are_too_many_or_too_large_cannot_be_caught_up_with(*, is_resting: bool) -> None:
    kept = KeptPackets()
    kept.note_decoded(50 * CATCH_UP_S / 40)  # a fiftieth of it counts at once: of 40 there could be as many
    small, large = 10, KEPT_BYTES
    sizes = [(small, number == 0) for number in range(41)] + [(small, True), (small, True), (large, False)]
    may_rest = []
    for size, is_key in sizes:
        kept.take(_packet(size, is_key=is_key), 0.0, is_resting=is_resting)
        may_rest.append(kept.are_soon_decoded)
    assert may_rest == [True] * 40 + [False, False, True, False], "as many as up to the key frame before may come"
    kept.take(_packet(small), 0.0, is_resting=is_resting)
    assert len(kept.packets) == 1 + is_resting, "to where it ends, and no further"
