"""Interlaced video: the two halves of a frame are of different moments, and become one picture of one moment."""

from collections.abc import Iterator

import av
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as NothingMore
from av.video.stream import VideoStream

_FILTER = "yadif", "mode=send_frame:deint=interlaced"
"""What stands still keeps every line; a frame waits for the next one."""


class Deinterlacer:
    """Gives frames as they are until one is interlaced, and from then on each one behind."""

    def __init__(self, video: VideoStream) -> None:
        """For the frames of this stream."""
        self._video = video
        self._graph: av.filter.Graph | None = None
        self._size = (0, 0)

    def take(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """What can be given once this frame has come."""
        if self._size != (frame.width, frame.height):
            self._graph = None
        if self._graph is None and frame.interlaced_frame:
            self._graph, self._size = _graph(self._video, frame), (frame.width, frame.height)
        if self._graph is None:
            yield frame
        else:
            self._graph.vpush(frame)
            yield from _pulled(self._graph)

    def end(self) -> Iterator[av.VideoFrame]:
        """What was kept for a frame that doesn't come any more."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from _pulled(self._graph)


def deinterlaced(frames: Iterator[av.VideoFrame | str], video: VideoStream) -> Iterator[av.VideoFrame | str]:
    """The frames of a whole file; texts as they are."""
    deinterlacer = Deinterlacer(video)
    for frame in frames:
        if isinstance(frame, str):
            yield frame
        else:
            yield from deinterlacer.take(frame)
    yield from deinterlacer.end()


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
