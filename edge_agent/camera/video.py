"""Streams and videos by FFmpeg (PyAV), opened in the decoding process."""

import contextlib
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import TypeAlias

import av
from av.container import InputContainer
from av.error import InvalidDataError
from av.video.stream import VideoStream

from edge_agent.camera.decoding import MAX_PIXELS, Stream
from edge_agent.camera.deinterlacing import deinterlaced
from edge_agent.camera.jpeg import CUT_OFF
from edge_agent.camera.seen import DecodedFrame
from edge_agent.camera.tunnel import tunnelled

VideoPacket: TypeAlias = "av.Packet[av.VideoStream]"
_STRICT = {"err_detect": "explode"}
"""Of a JPEG that was cut off, FFmpeg would fill what is missing."""


def frames(stream: Stream) -> Iterator[DecodedFrame | str]:
    """Its frames, deinterlaced, and a reason for each JPEG among them that was cut off.

    Raises:
        FFmpegError: it can't be opened or read.
        OSError: its camera can't be reached, or isn't the one that it should be.
        ValueError: it has no video, too large a picture, or falls silent.
    """
    with tunnelled(stream) as address, _opened(stream, address) as container:
        video = container.streams.video[0]
        packets = _in_time(container.demux(video), stream)
        for frame in deinterlaced(_decoded(packets), video):
            shape = video.sample_aspect_ratio or Fraction(1)
            yield frame if isinstance(frame, str) else DecodedFrame(frame, shape)


@contextlib.contextmanager
def _opened(stream: Stream, address: str) -> Iterator[InputContainer]:
    with av.open(
        address, format=stream.format, options=stream.options, timeout=(stream.timeout_s, stream.timeout_s)
    ) as container:
        if not container.streams.video:
            raise ValueError("no video stream in it")
        video = container.streams.video[0]
        video.codec_context.options = {"max_pixels": str(MAX_PIXELS)} | (_STRICT if _is_jpeg(video) else {})
        video.thread_type = "SLICE" if stream.live else "AUTO"  # whole frames side by side would come late
        if stream.keyframes_only:
            video.codec_context.skip_frame = "NONKEY"
        yield container


def _decoded(packets: Iterator[VideoPacket]) -> Iterator[av.VideoFrame | str]:
    for packet in packets:
        try:
            decoded = packet.decode()
        except InvalidDataError:
            if not _is_jpeg(packet.stream):
                raise
            decoded = []
            yield CUT_OFF  # each JPEG stands for itself
        for frame in decoded:
            if frame.width * frame.height > MAX_PIXELS:
                raise ValueError(f"{frame.width} x {frame.height} pixels is too large")
            yield frame


def _is_jpeg(video: VideoStream) -> bool:
    return video.codec_context.name == "mjpeg"


def _in_time(packets: Iterator[VideoPacket], stream: Stream) -> Iterator[VideoPacket]:
    """A camera has sent nothing for too long: FFmpeg's parser gives its last packet first, and would wait once more."""
    last_s: float | None = None
    for packet in packets:
        now_s = time.monotonic()
        if stream.live and last_s is not None and now_s - last_s >= stream.timeout_s:
            raise ValueError("it sends nothing")
        last_s = now_s
        yield packet
