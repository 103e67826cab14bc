"""Frames of a video file, decoded by FFmpeg through PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from edge_agent.preprocess import Pixels


class VideoSource:
    """The frames of a video file, in order. Ends after the last."""

    def __init__(self, path: Path, every: int = 1) -> None:
        """Name the file; take every n-th frame."""
        self._path = path
        self._every = every

    def pictures(self) -> Iterator[Pixels | str]:
        """Each n-th frame, or why the file can't be read on."""
        try:
            with av.open(str(self._path)) as container:
                if not container.streams.video:
                    yield f"{self._path}: no video stream in it: name a video file"
                    return
                for number, frame in enumerate(container.decode(video=0)):
                    if number % self._every == 0:
                        yield np.ascontiguousarray(frame.to_ndarray(format="rgb24"))
        except (FFmpegError, OSError, ValueError) as error:
            yield f"{self._path}: cannot be read on ({_reason(error)}): check the path and the file"


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
