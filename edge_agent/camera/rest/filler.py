"""How much of a packet says something: a strictly held rate is filled up with bytes that say nothing.

Filler data are units of their own behind the picture's: ITU-T H.264, 7.3.2.7, type 12; ITU-T H.265, 7.3.2.8, type 38.
They are bytes of ones, with 0x80 at the end.
"""

from edge_agent.camera.rest.slices import VideoPacket

_START = b"\0\0\1"
_END = b"\xff\xff\x80"
_H264_FILLER, _H265_FILLER = 12, 38


def size_without_filler(packet: VideoPacket) -> int:
    """Bytes of a packet without the filler at its end."""
    if bytes(memoryview(packet)[-len(_END) :]) != _END:  # of nearly every stream: its packets aren't looked through
        return packet.size
    return length_without_filler(packet.stream.codec_context.name, bytes(packet))


def length_without_filler(codec: str, content: bytes) -> int:
    """How long a packet (annex B) of this codec is without the filler at its end."""
    end = len(content)
    while codec in {"h264", "hevc"} and content.endswith(_END, 0, end):
        start = content.rfind(_START, 0, end)
        if start < 0:
            break
        first = content[start + len(_START)]
        is_filler = first & 0x1F == _H264_FILLER if codec == "h264" else first >> 1 & 0x3F == _H265_FILLER
        if not is_filler:
            break
        end = start - (content[start - 1 : start] == b"\0")  # a start may have one more byte
    return end
