"""A camera's answer unpacked, by what it holds: what its headers say of that may be missing, doubled or wrong."""

import itertools
import zlib
from collections.abc import Iterator

import httpx2

from edge_agent.camera.errors import NoAnswerError

CODINGS = "gzip, deflate"
"""What is asked for, if a camera has to pack anything."""
_GZIP = b"\x1f\x8b"
_PACKED = {"gzip", "x-gzip", "deflate", "x-deflate", "compress", "x-compress", "br", "zstd"}
"""Whatever else cameras call a coding (`identity`, `none`, `binary`) is none."""
_WINDOWS = {"gzip": zlib.MAX_WBITS | 16, "zlib": zlib.MAX_WBITS, "raw": -zlib.MAX_WBITS}
_MOST = 1 << 20
"""Bytes that are unpacked at once, of however few."""


def unpacked(answer: httpx2.Response) -> Iterator[bytes]:
    """The answer's body, part by part.

    Raises:
        NoAnswerError: it is packed more than once, which could grow without end, or damaged.
    """
    codings = [word.partition(";")[0].strip() for word in answer.headers.get("Content-Encoding", "").lower().split(",")]
    packed = [coding for coding in codings if coding in _PACKED]
    if len(packed) > 1:
        raise NoAnswerError(f"its answer is packed more than once ({', '.join(packed)})")
    parts = answer.iter_raw()
    head = b""
    for part in parts:
        head += part
        if len(head) >= len(_GZIP):
            break
    parts = itertools.chain([head], parts)
    kind = _kind(head, is_deflate=bool(packed) and packed[0].endswith("deflate"))
    yield from _unpacked(parts, _WINDOWS[kind]) if kind is not None else parts


def _kind(head: bytes, *, is_deflate: bool) -> str | None:
    """How a body that begins so is packed; None: it isn't. What is called deflate may have zlib's header or not."""
    if head.startswith(_GZIP):
        return "gzip"
    return next((kind for kind in ("zlib", "raw") if is_deflate and _begins(head, _WINDOWS[kind])), None)


def _begins(head: bytes, window: int) -> bool:
    try:
        zlib.decompressobj(window).decompress(head, _MOST)
    except zlib.error:
        return False
    return True


def _unpacked(parts: Iterator[bytes], window: int) -> Iterator[bytes]:
    unpacking = zlib.decompressobj(window)
    try:
        for part in parts:
            left = part
            while left and not unpacking.eof:
                yield unpacking.decompress(left, _MOST)
                left = unpacking.unconsumed_tail
        yield unpacking.flush()
    except zlib.error as error:
        raise NoAnswerError(f"its answer can't be unpacked: {error}") from error
