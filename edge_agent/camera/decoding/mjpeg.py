"""Picture after picture over HTTP, taken apart in the decoding process, so that a camera can't hold the agent up."""

import time
from collections.abc import Iterator

from edge_agent.camera.decoding.protocol import StreamRequest
from edge_agent.camera.errors import NoAnswerError
from edge_agent.camera.http.client import CameraHttp
from edge_agent.camera.http.login import Login
from edge_agent.camera.http.multipart import MultipartPictures
from edge_agent.camera.http.packing import unpacked


def coded_pictures(stream: StreamRequest) -> Iterator[bytes | str]:
    """Pictures as they come, not yet decoded, and a reason for each that was cut off.

    Raises:
        NoAnswerError: the camera doesn't answer, or has sent no whole picture for the stream's `timeout_s`.
        PictureTooLargeError: a picture doesn't end.
    """
    login = Login(stream.username, stream.password, ("digest", "basic")) if stream.username is not None else None
    with CameraHttp(login, stream.tls, stream.timeout_s) as http, http.get(stream.address) as answer:
        kind = answer.headers.get("Content-Type", "")
        parts = MultipartPictures(kind)
        count, last_s = 0, time.monotonic()
        for data in unpacked(answer):
            for part in parts.feed(data):
                count, last_s = count + 1, time.monotonic()
                yield part
            if time.monotonic() - last_s > stream.timeout_s:
                raise NoAnswerError(f"no whole picture within {stream.timeout_s:g} s")
        yield from parts.end()
        if not count:
            raise NoAnswerError(f"no picture in what it sends ({kind or 'without a type'})")
