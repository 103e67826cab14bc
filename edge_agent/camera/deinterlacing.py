"""Interlaced video: the two halves of a frame are of different moments, and become one picture of one moment."""

from collections.abc import Iterator

import av
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as NothingMore
from av.video.stream import VideoStream

_FILTER = "yadif", "mode=send_frame:deint=interlaced"
"""What stands still keeps every line; a frame waits for the next one."""


def deinterlaced(frames: Iterator[av.VideoFrame | str], video: VideoStream) -> Iterator[av.VideoFrame | str]:
    """The frames as they are until one is interlaced, and from then on each one behind; texts as they are."""
    graph: av.filter.Graph | None = None
    size = None
    for frame in frames:
        if isinstance(frame, str):
            yield frame
            continue
        if graph is not None and size != (frame.width, frame.height):
            graph = None
        if graph is None and frame.interlaced_frame:
            graph, size = _graph(video, frame), (frame.width, frame.height)
        if graph is None:
            yield frame
        else:
            graph.vpush(frame)
            yield from _pulled(graph)
    if graph is not None:
        graph.vpush(None)
        yield from _pulled(graph)


def _graph(video: VideoStream, frame: av.VideoFrame) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=video.time_base)
    graph.link_nodes(source, graph.add(*_FILTER), graph.add("buffersink")).configure()
    return graph


def _pulled(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            frame = graph.vpull()
        except (NothingYet, NothingMore):
            return
        yield frame
