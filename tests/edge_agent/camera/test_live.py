"""What is decoded of streams as x264, x265, GStreamer's encoders and FFmpeg's JPEG make them, and over RTSP.

Streams of a still chart with a sensor's noise, in which a carton slides in after `MOVES_S`. They are the same on every
machine: encoders cut pictures into as many slices as there are processors, which gives other sizes, and time is the
stream's own.
"""

import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import pytest
from av.error import InvalidDataError

from edge_agent.camera.attention import Attention
from edge_agent.camera.decoding.display_frame import DecodedFrame
from edge_agent.camera.decoding.live import LiveDecoder
from edge_agent.camera.decoding.protocol import StreamRequest
from edge_agent.camera.decoding.stream import rtsp_source
from edge_agent.camera.errors import StreamEndedError
from edge_agent.camera.rest.packet_sizes import RESTS_AFTER_S
from edge_agent.camera.rest.rules import FIRST_DISTRUST_S
from edge_agent.camera.rest.slices import VideoPacket
from edge_agent.config.sources import RtspSource
from kardus.inference.part_decoded import GivenPicture
from tests.cameras import RtspCamera
from tests.edge_agent.camera.coded_streams import (
    CALM_S,
    ENDS_S,
    HELD,
    MOVED_S,
    MOVES_S,
    RATE,
    SPARING,
    WHOLE,
    Coded,
    write_stream,
)
from tests.edge_agent.camera.looks import looks_at, open_packets, played_until
from tests.patience import PATIENCE_S, wait_until

MUTE = Coded("libx264", HELD, 2.0, 500_000)
"""Its sizes say little."""


@pytest.mark.parametrize(
    ("interval_s", "stream"), [(0.6, SPARING["x264"]), (1.0, SPARING["x264"]), (1.8, SPARING["x264"]), (1.8, MUTE)]
)
def test_no_key_frame_is_passed_over_however_late_it_is_asked_for(
    tmp_path: Path, interval_s: float, stream: Coded
) -> None:
    """What came a moment after a request was a second old at the next one: it was dropped, and what it showed first."""
    looks = looks_at().play(write_stream(tmp_path / "x.mkv", stream), interval=round(interval_s * RATE))
    shown = [of for _, of in looks.between(0, MOVES_S)]
    for key_s in range(2, int(MOVES_S) - 2, 2):
        assert any(key_s <= of < key_s + 2 for of in shown), key_s


def test_of_a_key_frame_that_waited_its_age_is_told(tmp_path: Path) -> None:
    looks, ages_s = looks_at(), []
    with open_packets(write_stream(tmp_path / "x.mkv", SPARING["x264"])) as packets:
        for number, packet in enumerate(packets):
            looks.now_s += 1 / RATE
            looks.every.take_packet(packet)
            if number % round(1.8 * RATE) == 0 and packet.size:
                had = len(looks.shown)
                looks.look("rest")
                for asked_s, of_s in looks.shown[had:]:
                    ages_s.append(looks.every.age_s)
                    assert asked_s - of_s == pytest.approx(ages_s[-1], abs=0.1)
        assert max(ages_s) > 1
        assert looks.every.take("moving", 0) is not None  # it decodes: the stream may not be closed yet
        assert looks.every.age_s < 0.1


def test_a_key_frame_that_is_given_after_the_stream_has_ended_has_its_age(tmp_path: Path) -> None:
    looks = looks_at()
    with played_until(looks, write_stream(tmp_path / "x.mkv", SPARING["x264"]), CALM_S + 3.7):
        assert looks.every._key is not None
        came_s = looks.every._key[1]
        looks.every._leave()
        assert isinstance(looks.every.take("rest", 0), DecodedFrame)
        assert looks.every.age_s == pytest.approx(looks.now_s - came_s)
        assert looks.every.age_s > 0.1


@pytest.mark.parametrize("decoded", ["auto", "all"])
def test_of_a_camera_that_is_gone_no_old_picture_is_given_as_one_of_now(tmp_path: Path, decoded: str) -> None:
    looks = looks_at(decoded)
    with played_until(looks, write_stream(tmp_path / "x.mkv", SPARING["x264"]), CALM_S + 2):
        looks.every.end("it sends nothing")
        looks.now_s += 600
        with pytest.raises(StreamEndedError):
            looks.every.take("rest", 0)


@pytest.mark.parametrize("decoded", ["auto", "all"])
def test_of_a_camera_that_stalls_no_old_picture_is_given_as_one_of_now(tmp_path: Path, decoded: str) -> None:
    looks = looks_at(decoded)
    path = write_stream(tmp_path / "x.mkv", SPARING["x264"])
    with av.open(str(path)) as container:
        packets = list(container.demux(video=0))
        looks.every.take_packet(packets[0])
        looks.now_s += 5
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(looks.every.take, "moving", 0)
            wait_until(lambda: asked.done() or bool(looks.every._changed._waiters))  # type: ignore[attr-defined]
            looks.every.take_packet(packets[1])
            found = asked.result(PATIENCE_S)
    assert isinstance(found, DecodedFrame)
    assert found.frame.pts == packets[1].pts


@pytest.mark.parametrize("codec", ["x264", "mjpeg"])
@pytest.mark.parametrize("attention", ["rest", "wanted", "moving"])
def test_a_stall_while_all_rests_gives_no_old_picture_either(tmp_path: Path, codec: str, attention: Attention) -> None:
    """Neither one that stands for itself and waits to be asked for, nor one that would have to be caught up with."""
    looks, stream = looks_at(), SPARING["x264"] if codec == "x264" else Coded("mjpeg", {"qscale": "5"})
    path = write_stream(tmp_path / "x.mkv", stream)
    with played_until(looks, path, CALM_S + 3.7):
        assert looks.every.rests
        looks.now_s += 8
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(looks.every.take, attention, 0)
            wait_until(lambda: asked.done() or bool(looks.every._changed._waiters))  # type: ignore[attr-defined]
            assert not (asked.done() and asked.result())
            looks.every.end("it sends nothing")
            if not asked.done():
                with pytest.raises(StreamEndedError):
                    asked.result(PATIENCE_S)


@pytest.mark.parametrize("decoded", ["auto", "all", "keyframes"])
def test_the_last_picture_of_a_stream_that_has_ended_is_given_and_nothing_of_it_decoded_after(
    tmp_path: Path, decoded: str
) -> None:
    """FFmpeg's memory of a closed stream is gone: a packet that was decoded after it ended the decoding process."""
    path, ticks = write_stream(tmp_path / "x.mkv", SPARING["x264"]), itertools.count()
    request = StreamRequest(str(path), decoded=decoded, live=True)  # type: ignore[arg-type]
    live = LiveDecoder(request, lambda: 0.0 if decoded == "keyframes" else next(ticks) / (3 * RATE))
    live._rest.attend("rest", is_resting=False)
    live.follow()
    assert live.rests is (decoded != "all")
    assert live._key is None
    assert live._kept.packets == []
    last = live.take("wanted", 0)
    assert isinstance(last, DecodedFrame)
    assert float(last.frame.time or 0) == (ENDS_S - 1 / RATE if decoded == "all" else ENDS_S - 2)
    live.end("it has ended")
    with pytest.raises(StreamEndedError):
        live.take("rest", 0)


def test_why_a_stream_ends_is_told_though_its_last_key_frame_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_stream(tmp_path / "x.mkv", SPARING["x264"])
    live = LiveDecoder(StreamRequest(str(path), decoded="keyframes", live=True), lambda: 0.0)

    def silent(packets: Iterator[VideoPacket], timeout_s: float) -> Iterator[VideoPacket]:
        yield from itertools.islice(packets, 10)
        raise ValueError("it sends nothing")

    def damaged(packet: VideoPacket, came_s: float) -> None:
        with ThreadPoolExecutor() as other:
            assert not other.submit(live._changed.acquire, blocking=False).result(), "whoever asks has to wait"
        raise InvalidDataError(1094995529, "Invalid data found when processing input")

    monkeypatch.setattr("edge_agent.camera.decoding.live.in_time", silent)
    monkeypatch.setattr(live, "_decode_alone", damaged)
    with pytest.raises(ValueError, match="it sends nothing"):
        live.follow()
    live.end("it sends nothing")
    with pytest.raises(StreamEndedError):
        live.take("wanted", 0)


@pytest.mark.parametrize("case", SPARING)
def test_at_rest_key_frames_alone_are_decoded_and_every_frame_as_soon_as_something_moves(
    tmp_path: Path, case: str
) -> None:
    looks = looks_at().play(write_stream(tmp_path / "x.mkv", SPARING[case]))
    every_s = SPARING[case].key_every_s
    moving = looks.between(MOVES_S + 0.4, MOVED_S)
    assert len(moving) >= 0.8 * (MOVED_S - MOVES_S - 0.4) * RATE * (1 - SPARING[case].lost)
    assert all(asked - of < 0.3 for asked, of in moving), "they are caught up with"
    rests_s = MOVED_S + RESTS_AFTER_S + every_s + 0.5
    for since_s, until_s in ((CALM_S, MOVES_S), (rests_s, ENDS_S)):
        assert len(looks.between(since_s, until_s)) >= (until_s - since_s) / every_s - 1, "key frames"
    at_rest, calm_s = (
        looks.between(CALM_S, MOVES_S) + looks.between(rests_s, ENDS_S),
        MOVES_S - CALM_S + ENDS_S - rests_s,
    )
    assert len(at_rest) <= calm_s * (1 / every_s + SPARING[case].strays * RATE) + 2


@pytest.mark.parametrize("case", WHOLE)
def test_where_key_frames_alone_are_not_enough_every_frame_is_decoded(tmp_path: Path, case: str) -> None:
    looks = looks_at().play(write_stream(tmp_path / "x.mkv", WHOLE[case]))
    assert len(looks.between(MOVES_S - 10, MOVES_S)) >= 0.95 * 10 * RATE


def test_where_sizes_say_little_key_frames_show_what_has_changed(tmp_path: Path) -> None:
    looks = looks_at().play(write_stream(tmp_path / "x.mkv", MUTE))
    assert len(looks.between(14, MOVES_S)) <= 6
    assert not looks.every._rest.sizes.is_reliable
    assert all(later[0] - one[0] < 2.5 for one, later in itertools.pairwise(looks.between(MOVES_S - 4, ENDS_S)))


def test_while_the_agent_wants_pictures_every_frame_is_decoded(tmp_path: Path) -> None:
    path = write_stream(tmp_path / "x.mkv", SPARING["x264"])
    assert len(looks_at().play(path, "wanted").between(10, 20)) >= 0.95 * 10 * RATE
    assert len(looks_at("all").play(path).between(10, 20)) >= 0.95 * 10 * RATE
    assert len(looks_at("keyframes").play(path, "moving").between(10, 20)) in {5, 6}


def test_a_picture_that_is_decoded_alone_is_the_same(tmp_path: Path) -> None:
    """A key frame needs nothing that comes before it: it is what decoding every frame gives."""
    path = write_stream(tmp_path / "x.mkv", SPARING["x264 with B-frames"])
    with av.open(str(path)) as container:
        every = {frame.to_ndarray().tobytes() for frame in container.decode(video=0) if frame.key_frame}
    live = LiveDecoder(StreamRequest("", decoded="keyframes"))
    with av.open(str(path)) as container:
        for packet in itertools.islice(container.demux(video=0), 400):
            live.take_packet(packet)
            found = live.take("rest", 0)
            if found is not None:
                assert isinstance(found, DecodedFrame)
                assert found.frame.to_ndarray().tobytes() in every


def test_of_pictures_that_stand_for_themselves_none_is_given_that_was_decoded_long_before(tmp_path: Path) -> None:
    """After one that was damaged each is decoded as it comes, until those of the camera are trusted again."""
    looks, given = looks_at(), []
    with open_packets(write_stream(tmp_path / "x.mkv", Coded("mjpeg", {"qscale": "5"}))) as packets:
        for number, packet in enumerate(itertools.islice(packets, 100)):
            looks.now_s += FIRST_DISTRUST_S / 50
            if number == 10:
                looks.every._rest.distrust_keys()
            looks.every.take_packet(packet)
            given.append(looks.every.rests)
        assert given == [True] * 10 + [False] * 49 + [True] * 41
        assert isinstance(looks.every.take("wanted", 0), DecodedFrame)
        assert looks.every.age_s == 0


def test_of_pictures_that_stand_for_themselves_only_those_asked_for_are_decoded(tmp_path: Path) -> None:
    live = LiveDecoder(StreamRequest(""))
    with av.open(str(write_stream(tmp_path / "x.mkv", Coded("mjpeg", {"qscale": "5"})))) as container:
        for number, packet in enumerate(itertools.islice(container.demux(video=0), 50)):
            live.take_packet(packet)
            assert live.rests
            assert live._newest is None
            if number % RATE == 0:
                assert isinstance(live.take("moving", 0), DecodedFrame)


def test_over_rtsp_a_camera_at_rest_gives_its_key_frames_and_every_frame_when_it_is_asked_for_them() -> None:
    def rate(pictures: Iterator[GivenPicture | str], seconds: float) -> float:
        began = time.monotonic()
        return sum(1 for _ in itertools.takewhile(lambda _: time.monotonic() - began < seconds, pictures)) / seconds

    with RtspCamera("h264-often") as camera:
        source = rtsp_source(RtspSource(type="rtsp", url=camera.url))
        pictures, began = source.pictures(), time.monotonic()
        source.attention = "rest"
        try:
            while rate(pictures, 2) > 5 or not source.rests:
                assert time.monotonic() - began < PATIENCE_S
            assert 0 < source.age_s < PATIENCE_S
            source.attention = "moving"
            began = time.monotonic()
            while rate(pictures, 2) <= 5 or source.rests:  # a busy machine is slow to begin
                assert time.monotonic() - began < PATIENCE_S
        finally:
            source.close()
