"""A stream's own time."""

from fractions import Fraction
from itertools import pairwise

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.camera.rest.slices import VideoPacket
from edge_agent.camera.rest.stream_time import APART_S, MAX_STEP_S, StreamTime


def _packet(dts: int | None) -> VideoPacket:
    packet = av.Packet(b"x")
    packet.dts, packet.time_base = dts, Fraction(1, 90_000)
    return packet  # type: ignore[return-value]


@given(st.lists(st.floats(0, APART_S - 0.1), min_size=2, max_size=30))
def test_packets_that_come_late_are_as_far_apart_as_they_were_coded(late_s: list[float]) -> None:
    time = StreamTime()
    for number, late in enumerate(late_s):
        assert time.of(_packet(number * 3600), number * 0.04 + late) == pytest.approx(number * 0.04)


@pytest.mark.parametrize("times", [0.0, 0.1, 0.9, 1.1, 10.0])
def test_a_camera_whose_clock_is_too_slow_or_too_fast_or_stands_is_timed_by_ours(times: float) -> None:
    time = StreamTime()
    at_s = [time.of(_packet(round(number * 3600 * times)), number * 0.04) for number in range(25 * 120)]
    assert at_s[-1] - at_s[25 * 110] == pytest.approx(10, abs=0.1)
    assert all(earlier <= later for earlier, later in pairwise(at_s))


@given(st.lists(st.tuples(st.integers(-(2**40), 2**40) | st.none(), st.floats(0, 30)), max_size=40))
def test_whatever_a_camera_says_time_never_goes_back_and_stays_near_ours(
    packets: list[tuple[int | None, float]],
) -> None:
    time, came_s, last_s = StreamTime(), 0.0, 0.0
    for number, (dts, pause_s) in enumerate(packets):
        came_s += pause_s if number else 0.0
        at_s = time.of(_packet(dts), came_s)
        assert last_s <= at_s
        assert abs(at_s - came_s) <= APART_S + 1e-6
        last_s = at_s


@pytest.mark.parametrize("jump", [-90_000, round((MAX_STEP_S + 1) * 90_000), None])
def test_a_camera_whose_clock_jumps_or_that_has_none_is_timed_by_ours(jump: int | None) -> None:
    time = StreamTime()
    time.of(_packet(900_000), 100.0)
    at_s = time.of(_packet(None if jump is None else 900_000 + jump), 100.5)
    assert at_s == pytest.approx(0.5)
    later = 903_600 + (jump or 0)
    assert time.of(_packet(later), 101.0) == pytest.approx(1.0 if jump is None else 0.54)
