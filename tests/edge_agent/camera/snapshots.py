"""A camera's snapshots, as the agent asks for them, and answers that are no HTTP server's."""

from itertools import islice
from typing import Any

from PIL import Image

from edge_agent.camera.http.snapshot import HttpSnapshot
from edge_agent.config.sources import MAX_WAIT_S, SnapshotSource
from kardus.inference.part_decoded import whole_of
from tests.cameras import (
    HttpCamera,
)

LONG_S = MAX_WAIT_S
"""So long a camera that answers is waited for: a busy machine needs it, however small the answer is."""


def ask(camera: HttpCamera, times: int = 1, **settings: Any) -> list[Image.Image | str]:
    """What so many looks give: a picture, or why there is none."""
    source = HttpSnapshot(SnapshotSource(type="snapshot", url=camera.url, **{"timeout_s": LONG_S, **settings}))
    assert source.live
    pictures = source.pictures()
    return [given if isinstance(given, str) else whole_of(given) for given in islice(pictures, times)]


def send_raw(handler: Any, data: bytes) -> None:
    """Write these bytes, head and all, and hang up."""
    handler.wfile.write(data)
    handler.close_connection = True
