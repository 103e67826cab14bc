"""Key frames whose slices come apart: GStreamer's payloader and some cameras send them so."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.container import InputContainer
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.camera.rest.slices import VideoPacket, continues_picture, joined

WIDTH, HEIGHT, FRAMES, KEY_EVERY = 256, 128, 24, 8
CODECS = {
    "h264": (
        "libx264",
        {"preset": "superfast", "crf": "26", "bf": "2", "x264-params": "slices=2:sliced-threads=0:scenecut=0"},
    ),
    "hevc": (
        "libx265",
        {"preset": "ultrafast", "crf": "26", "x265-params": "slices=2:ctu=16:scenecut=0:log-level=none"},
    ),
}


def _write(path: Path, codec: str) -> Path:
    """A noisy stream, as a camera's packets are (annex B), with B-frames and a key frame now and then."""
    rng, (encoder, options) = np.random.default_rng(3), CODECS[codec]
    with av.open(str(path), "w", format=codec) as out:
        video = out.add_stream(encoder, rate=25, options=options)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt, video.gop_size = WIDTH, HEIGHT, "yuv420p", KEY_EVERY
        for _ in range(FRAMES):
            pixels = rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        out.mux(video.encode(None))
    return path


def _packets(container: InputContainer, *, are_timed: bool) -> Iterator[VideoPacket]:
    """A file's packets, each key frame's slices in packets of their own, as they come over RTSP."""
    for number, packet in enumerate(container.demux(container.streams.video[0])):
        content = bytes(packet)
        ends = [end for end in _units(content) if continues_picture(packet.stream.codec_context.name, content[end:])]
        for begin, end in itertools.pairwise([0, *ends[:1], len(content)] if packet.is_keyframe else [0, len(content)]):
            part = cast("VideoPacket", av.Packet(content[begin:end]))
            part.stream, part.time_base, part.is_keyframe = packet.stream, packet.time_base, packet.is_keyframe
            part.pts = part.dts = number if are_timed or begin else None
            yield part


def _units(content: bytes) -> Iterator[int]:
    """Where the units behind the first begin."""
    at = content.find(b"\0\0\1", 1)
    while at >= 0:
        yield at
        at = content.find(b"\0\0\1", at + 3)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("are_timed", [True, False], ids=["timed", "the first slice has no time"])
def test_pictures_are_those_of_whole_packets(tmp_path: Path, codec: str, *, are_timed: bool) -> None:
    path = _write(tmp_path / f"x.{codec}", codec)
    with av.open(str(path)) as container:
        whole = [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]
    given: list[bytes] = []
    with av.open(str(path)) as container:
        parts = list(_packets(container, are_timed=are_timed))
        assert len(parts) == FRAMES + FRAMES // KEY_EVERY + 1, "each key frame comes in two packets, and the end is one"
        for packet in joined(parts):
            given += [frame.to_ndarray().tobytes() for frame in packet.decode()]
    assert len(whole) == FRAMES
    assert given == whole[: len(given)]
    assert len(given) >= FRAMES - 3, "the decoder holds a few back"


@given(st.binary(max_size=40), st.sampled_from(["h264", "hevc", "vp8"]))
def test_whatever_a_packet_holds_it_is_read(content: bytes, codec: str) -> None:
    for begun in (content, b"\0\0\1" + content):
        if continues_picture(codec, begun):
            assert codec != "vp8"


@pytest.mark.parametrize(
    ("codec", "content", "continues"),
    [
        ("h264", b"\0\0\0\1\x67\x42\0\0\1\x65\x88", False),
        ("h264", b"\0\0\0\1\x67\x42\0\0\1\x65\x40", True),
        ("hevc", b"\0\0\1\x40\1\0\0\0\1\x26\1\xaf", False),
        ("hevc", b"\0\0\1\x26\1\x2f", True),
        ("h264", b"\0\0\1\x65", False),
    ],
    ids=["h264: first", "h264: second", "h265: first", "h265: second", "cut off"],
)
def test_the_first_bit_of_a_slice_says_whether_its_picture_begins(
    codec: str, content: bytes, *, continues: bool
) -> None:
    assert continues_picture(codec, content) is continues
