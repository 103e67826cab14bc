"""When a coded stream may rest, how it is caught up with, and what ends the trust in what tells that nothing moves."""

import itertools
from collections import deque
from pathlib import Path

import av
import pytest

from edge_agent.camera.decoding import live
from edge_agent.camera.decoding.display_frame import DecodedFrame
from edge_agent.camera.decoding.video import decode_packet
from edge_agent.camera.rest.filler import size_without_filler
from edge_agent.camera.rest.rules import FIRST_DISTRUST_S
from edge_agent.camera.rest.slices import VideoPacket
from tests.edge_agent.camera.coded_streams import (
    CALM_S,
    ENDS_S,
    MOVED_S,
    MOVES_S,
    QUICK,
    RATE,
    SPARING,
    WHOLE,
    Coded,
    write_stream,
)
from tests.edge_agent.camera.looks import Looks, looks_at, open_packets, played_until


def test_who_asks_waits_for_what_is_caught_up_with_for_two_seconds_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside other work a frame takes a fifth of a second by the clock, and no more of the process's time than ever."""
    looks = looks_at()

    def decode(packet: VideoPacket) -> object:
        looks.now_s += 0.2
        return decode_packet(packet)

    path = write_stream(tmp_path / "x.mkv", SPARING["x264"])
    with open_packets(path) as packets:
        for packet in itertools.islice(packets, round((CALM_S + 1.6) * RATE)):
            looks.now_s += 1 / RATE
            looks.every.take_packet(packet)
            looks.look("rest")
        assert looks.every.rests
        monkeypatch.setattr(live, "decode_packet", decode)
        asked_s = looks.now_s
        found = looks.every.take("moving", 0)
        assert isinstance(found, DecodedFrame)
        assert looks.now_s - asked_s <= 2.3
        assert looks.every.age_s == pytest.approx(looks.now_s - float(found.frame.time or 0), abs=0.3)
        for packet in packets:
            looks.now_s += 1 / RATE
            before_s = looks.now_s
            looks.every.take_packet(packet)
            if packet.is_keyframe:
                break
            assert looks.now_s - before_s <= live.BEHIND_S + 0.2, "in between pictures can be asked for"
            assert isinstance(looks.every.take("moving", 0), DecodedFrame), "it is behind, and goes on"
        assert looks.every._behind == deque(), "what was left shows nothing of now"
        assert isinstance(looks.every.take("moving", 0), DecodedFrame)
        assert looks.every.age_s < 0.5


def test_what_lay_there_to_be_read_is_behind_too_and_let_go_at_the_next_key_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each packet that is read waits for what is decoded in between, and seems to be of now."""
    looks, decoded = looks_at(), 0
    with open_packets(write_stream(tmp_path / "x.mkv", SPARING["x264"])) as packets:
        for packet in itertools.islice(packets, round((CALM_S + 1.6) * RATE)):
            looks.now_s += 1 / RATE
            looks.every.take_packet(packet)
            looks.look("rest")

        def decode(packet: VideoPacket) -> object:
            nonlocal decoded
            looks.now_s, decoded = looks.now_s + 0.2, decoded + 1
            return decode_packet(packet)

        monkeypatch.setattr(live, "decode_packet", decode)
        assert isinstance(looks.every.take("moving", 0), DecodedFrame)
        caught_up = decoded
        for packet in packets:  # they lay there
            looks.every.take_packet(packet)
            if packet.is_keyframe:
                break
        assert decoded == caught_up + 1, "the key frame alone"
        assert looks.every._behind == deque()


def test_what_is_made_of_a_picture_of_before_the_rest_says_nothing_of_sizes(tmp_path: Path) -> None:
    """An agent that takes its time says that something moves in a picture that was given while it did."""
    looks = looks_at()
    with open_packets(write_stream(tmp_path / "x.mkv", SPARING["x264"])) as packets:
        for packet in itertools.islice(packets, round(MOVES_S * RATE)):
            looks.now_s += 1 / RATE
            looks.every.take_packet(packet)
            if looks.every.rests:
                break
            looks.look("rest")
        looks.look("moving")
        assert looks.every._rest.sizes_are_reliable
        looks.look("moving")  # of a picture that was given at rest
        assert not looks.every._rest.sizes_are_reliable


def test_a_camera_that_sends_a_frame_a_second_does_not_stall(tmp_path: Path) -> None:
    looks = looks_at()
    with open_packets(write_stream(tmp_path / "x.mkv", SPARING["x264"])) as packets:
        looks.every.take_packet(next(packets))
        for packet in itertools.islice(packets, 10):
            looks.now_s += 1.2
            looks.every.take_packet(packet)
            looks.now_s += 1.1
            assert not looks.every._stalls
            assert isinstance(looks.every.take("moving", 0), DecodedFrame)
        looks.now_s += 5.6
        assert looks.every._stalls


def test_of_an_interlaced_camera_a_key_frame_is_given_when_it_comes(tmp_path: Path) -> None:
    looks = looks_at("keyframes").play(write_stream(tmp_path / "x.mkv", WHOLE["x264, interlaced"]))
    assert len(looks.shown) >= ENDS_S / 2 - 1
    assert max(asked - of for asked, of in looks.shown) < 0.2


def _interlaced_once(folder: Path) -> Looks:
    """Somebody who has looked at an interlaced stream, so long ago that key frames are trusted again."""
    looks = looks_at()
    with open_packets(write_stream(folder / "i.mkv", WHOLE["x264, interlaced"])) as packets:
        for packet in itertools.islice(packets, 100):
            looks.now_s += 1 / RATE
            looks.every.take_packet(packet)
        looks.every._leave()  # before the stream is closed, as `follow` does
    looks.now_s += FIRST_DISTRUST_S
    return looks


def test_a_camera_that_was_interlaced_once_rests_later(tmp_path: Path) -> None:
    looks = _interlaced_once(tmp_path)
    with open_packets(write_stream(tmp_path / "x.mkv", SPARING["x264"])) as packets:
        for packet in itertools.islice(packets, round((CALM_S + 4) * RATE)):
            looks.now_s += 1 / RATE
            looks.every.take_packet(packet)
            looks.look("rest")
    assert looks.every.rests


def test_a_frame_of_before_the_rest_is_not_given_as_one_of_now(tmp_path: Path) -> None:
    """A deinterlacer keeps its last frame until the next one comes, which may be hours later."""
    looks = _interlaced_once(tmp_path)
    with open_packets(write_stream(tmp_path / "x.mkv", SPARING["x264"])) as packets:
        for packet in packets:
            looks.now_s += 1 / RATE
            looks.every.take_packet(packet)
            if packet.is_keyframe and looks.every.rests and looks.now_s > FIRST_DISTRUST_S + CALM_S + 4:
                break
            looks.look("rest")
        looks.every._catch_up()  # the key frame's own size has told that something moves
        found = looks.every.take("moving", 0)
        assert isinstance(found, DecodedFrame)
        assert found.frame.pts == packet.pts


def test_a_rate_that_is_filled_up_tells_what_moves(tmp_path: Path) -> None:
    """With its filler every packet of such a stream is as large as any other."""
    filled = "nal-hrd=cbr:filler=1:qpmin=30:bitrate=2000:vbv-maxrate=2000:vbv-bufsize=400"
    stream = Coded("libx264", QUICK | {"x264-params": filled}, 4.0, 2_000_000)
    path = write_stream(tmp_path / "x.ts", stream)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert sum(size_without_filler(packet) < packet.size for packet in packets) > 0.8 * len(packets)
    looks = looks_at().play(path)
    moving = looks.between(MOVES_S + 0.5, MOVED_S)
    assert len(moving) >= 0.8 * (MOVED_S - MOVES_S - 0.5) * RATE


@pytest.mark.parametrize(("frame_s", "may_rest"), [(0.03, True), (0.05, False)])
def test_a_box_that_could_not_catch_up_in_two_seconds_decodes_as_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frame_s: float, *, may_rest: bool
) -> None:
    """Key frames are two seconds apart: 50 frames."""
    looks, has_rested, busy_s = looks_at(), False, 0.0

    def decode(packet: VideoPacket) -> object:
        nonlocal busy_s
        busy_s += frame_s
        return decode_packet(packet)

    looks.every._spent = lambda: busy_s
    monkeypatch.setattr(live, "decode_packet", decode)
    with open_packets(write_stream(tmp_path / "x.mkv", SPARING["x264"])) as packets:
        for packet in itertools.islice(packets, round(MOVES_S * RATE)):
            looks.now_s += 1 / RATE
            looks.every.take_packet(packet)
            looks.look("rest")
            has_rested |= looks.every.rests
    assert has_rested == may_rest


def test_who_wants_more_while_all_rests_is_given_a_picture_of_now(tmp_path: Path) -> None:
    looks = looks_at()
    with played_until(looks, write_stream(tmp_path / "x.mkv", SPARING["x264"]), CALM_S + 3.7):
        assert looks.every.rests
        found = looks.every.take("wanted", 0)
    assert isinstance(found, DecodedFrame)
    assert looks.now_s - float(found.frame.time or 0) < 0.1
