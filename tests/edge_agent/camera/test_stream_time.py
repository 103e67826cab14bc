"""A stream's own time."""

from fractions import Fraction

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.camera.slices import VideoPacket
from edge_agent.camera.stream_time import MOST_S, StreamTime


def _packet(dts: int | None) -> VideoPacket:
    packet = av.Packet(b"x")
    packet.dts, packet.time_base = dts, Fraction(1, 90_000)
    return packet  # type: ignore[return-value]


@given(st.lists(st.floats(0, 20), min_size=2, max_size=30))
def test_packets_that_come_late_are_as_far_apart_as_they_were_coded(late_s: list[float]) -> None:
    time, came_s = StreamTime(), 0.0
    for number, pause_s in enumerate(late_s):
        came_s += pause_s
        assert time.of(_packet(number * 3600), came_s) == pytest.approx(number * 0.04)


@pytest.mark.parametrize("jump", [-90_000, round((MOST_S + 1) * 90_000), None])
def test_a_camera_whose_clock_jumps_or_that_has_none_is_timed_by_ours(jump: int | None) -> None:
    time = StreamTime()
    time.of(_packet(900_000), 100.0)
    at_s = time.of(_packet(None if jump is None else 900_000 + jump), 100.5)
    assert at_s == pytest.approx(0.5)
    later = 903_600 + (jump or 0)
    assert time.of(_packet(later), 101.0) == pytest.approx(1.0 if jump is None else 0.54)
