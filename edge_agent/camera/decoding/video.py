"""Streams and videos by FFmpeg (PyAV), in the decoding process: opened, and files decoded (live streams: `live`)."""

import contextlib
import time
from collections.abc import Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.error import InvalidDataError
from av.video.stream import VideoStream

from edge_agent.camera.decoding.deinterlacing import deinterlaced
from edge_agent.camera.decoding.display_frame import DecodedFrame, Orientation
from edge_agent.camera.decoding.protocol import StreamRequest
from edge_agent.camera.rest.slices import VideoPacket
from kardus.inference.geometry import MAX_PIXELS
from kardus.inference.jpeg import CUT_OFF, lacks_markers

_STRICT = {"err_detect": "explode"}
"""Of a JPEG that was cut off, FFmpeg would fill what is missing."""


def frames(stream: StreamRequest) -> Iterator[DecodedFrame | str]:
    """A file's frames, deinterlaced, and a reason for each JPEG among them that was cut off.

    Raises:
        FFmpegError: it can't be opened or read.
        ValueError: it has no video, or too large a picture.
    """
    with opened(stream, stream.address) as container:
        video = container.streams.video[0]
        orientation = Orientation()
        for frame in deinterlaced(_decoded(container.demux(video)), video):
            yield frame if isinstance(frame, str) else seen_frame(frame, video, orientation)


def seen_frame(frame: av.VideoFrame, video: VideoStream, orientation: Orientation) -> DecodedFrame:
    """A frame with the shape of its stream's pixels, and how it is to be turned."""
    return DecodedFrame(frame, video.sample_aspect_ratio or Fraction(1), orientation.of(frame))


@contextlib.contextmanager
def opened(stream: StreamRequest, address: str) -> Iterator[InputContainer]:
    """A stream or file with its video.

    Raises:
        FFmpegError: it can't be opened.
        ValueError: it has no video.
    """
    with av.open(
        address, format=stream.format, options=stream.options, timeout=(stream.timeout_s, stream.timeout_s)
    ) as container:
        if not container.streams.video:
            raise ValueError("no video stream in it")
        video = container.streams.video[0]
        video.codec_context.options = {"max_pixels": str(MAX_PIXELS)} | (_STRICT if _is_jpeg(video) else {})
        video.thread_type = "SLICE" if stream.live else "AUTO"  # whole frames side by side would come late
        yield container


def decode_packet(packet: VideoPacket) -> list[av.VideoFrame] | str:
    """Its frames; why there is none, of a JPEG that was cut off.

    Raises:
        FFmpegError: it can't be decoded.
        ValueError: a picture is too large.
    """
    is_jpeg = _is_jpeg(packet.stream)  # each stands for itself
    if is_jpeg and lacks_markers(bytes(packet)):
        return CUT_OFF
    try:
        decoded = packet.decode()
    except InvalidDataError:
        if not is_jpeg:
            raise
        return CUT_OFF
    return checked(decoded)


def checked(decoded: list[av.VideoFrame]) -> list[av.VideoFrame]:
    """The frames.

    Raises:
        ValueError: one is too large.
    """
    for frame in decoded:
        if frame.width * frame.height > MAX_PIXELS:
            raise ValueError(f"{frame.width} x {frame.height} pixels is too large")
    return decoded


def _decoded(packets: Iterator[VideoPacket]) -> Iterator[av.VideoFrame | str]:
    for packet in packets:
        decoded = decode_packet(packet)
        if isinstance(decoded, str):
            yield decoded
        else:
            yield from decoded


def _is_jpeg(video: VideoStream) -> bool:
    return video.codec_context.name == "mjpeg"


def in_time(packets: Iterator[VideoPacket], timeout_s: float) -> Iterator[VideoPacket]:
    """A camera has sent nothing for too long: FFmpeg's parser gives its last packet first, and would wait once more.

    Raises:
        ValueError: nothing has come for so long.
    """
    last_s: float | None = None
    for packet in packets:
        if last_s is not None and time.monotonic() - last_s >= timeout_s:
            raise ValueError("it sends nothing")
        yield packet
        last_s = time.monotonic()  # what is made of a packet takes time that isn't the camera's
