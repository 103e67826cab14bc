"""Key frames whose slices come in packets of their own, as some cameras and GStreamer send them, put together again.

FFmpeg would make a picture of each slice, and of the rest what was there before: half a picture that looks whole. What
a packet says of its time doesn't tell which slices belong together: the first packets of a connection have none.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias, cast

import av

VideoPacket: TypeAlias = "av.Packet[av.VideoStream]"
_START = b"\0\0\1"
"""What stands before each unit of a stream: ITU-T H.264 and H.265, annex B."""
_IS_FIRST = 0x80
_H264_SLICES, _H265_SLICES = range(1, 6), range(32)
"""Types of units that hold a part of a picture."""


def joined(packets: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
    """The packets, each key frame's slices in one."""
    slices: list[VideoPacket] = []
    for packet in packets:
        is_more = (
            bool(slices) and packet.is_keyframe and continues_picture(packet.stream.codec_context.name, bytes(packet))
        )
        if slices and not is_more:
            yield _in_one(slices)
            slices = []
        if packet.is_keyframe and packet.size and not packet.stream.codec_context.codec.intra_only:
            slices.append(packet)
        else:
            yield packet
    if slices:
        yield _in_one(slices)


def continues_picture(codec: str, content: bytes) -> bool:
    """Whether the first slice in a packet (annex B) isn't the first of its picture; False where it can't be told.

    Both codecs say it in the first bit behind the header of the unit: that its first macroblock is number 0 (H.264), or
    that it is the first segment of the picture (H.265).
    """
    if codec not in {"h264", "hevc"}:
        return False
    header, slices = (1, _H264_SLICES) if codec == "h264" else (2, _H265_SLICES)
    at = content.find(_START)
    while at >= 0 and at + 3 + header < len(content):
        first = content[at + 3]
        kind = first & 0x1F if codec == "h264" else first >> 1 & 0x3F
        if kind in slices:
            return not content[at + 3 + header] & _IS_FIRST
        at = content.find(_START, at + 3)
    return False


def _in_one(slices: list[VideoPacket]) -> VideoPacket:
    first = slices[0]
    if len(slices) == 1:
        return first
    whole = cast("VideoPacket", av.Packet(b"".join(bytes(packet) for packet in slices)))
    timed = next((packet for packet in slices if packet.pts is not None), first)
    whole.stream, whole.pts, whole.dts, whole.time_base = first.stream, timed.pts, timed.dts, first.time_base
    whole.is_keyframe = True
    return whole
