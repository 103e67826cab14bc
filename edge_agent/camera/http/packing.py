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
_EMPTY_LINES = b"\r\n"
_MAX_BYTES_EMPTY = 64
"""Bytes of empty lines too many before what is packed."""


def unpacked(answer: httpx2.Response) -> Iterator[bytes]:
    """The answer's body, part by part.

    Raises:
        NoAnswerError: it is packed more than once, which could grow without end, or damaged.
    """
    said = answer.headers.get("Content-Encoding", "").lower()
    codings = [coding for word in said.split(",") if (coding := word.partition(";")[0].strip()) in _PACKED]
    kind, parts = _packing_of(answer.iter_raw(), is_deflate=any(coding.endswith("deflate") for coding in codings))
    if kind is not None:
        again, parts = _packing_of(_unpacked(parts, _WINDOWS[kind]), is_deflate=False)
        if again is not None:
            raise NoAnswerError(f"its answer is packed more than once ({', '.join(codings) or f'{kind}, {again}'})")
    yield from parts


def _packing_of(parts: Iterator[bytes], *, is_deflate: bool) -> tuple[str | None, Iterator[bytes]]:
    """How what comes is packed, by its first bytes, and all of it, from there on."""
    head = b""
    for part in parts:
        head += part
        if len(head.lstrip(_EMPTY_LINES)) >= len(_GZIP) or len(head) > _MAX_BYTES_EMPTY:
            break
    bare = head.lstrip(_EMPTY_LINES)
    kind = _kind(bare) or ("raw" if is_deflate and _begins(head, _WINDOWS["raw"]) else None)
    return kind, itertools.chain([bare if kind in {"gzip", "zlib"} else head], parts)


def _kind(head: bytes) -> str | None:
    """How a body that begins so is packed; None: it has no header of a kind that is known."""
    if head.startswith(_GZIP):
        return "gzip"
    return "zlib" if len(head) >= len(_GZIP) and _begins(head, _WINDOWS["zlib"]) else None


def _begins(head: bytes, window: int) -> bool:
    try:
        zlib.decompressobj(window).decompress(head, _MOST)
    except zlib.error:
        return False
    return True


def _unpacked(parts: Iterator[bytes], window: int) -> Iterator[bytes]:
    """The content; gzip's may come in several members (RFC 1952, 2.2), and what else is behind it is none of it."""
    unpacking, left = zlib.decompressobj(window), b""
    try:
        for part in parts:
            left += part
            while left:
                if unpacking.eof:
                    if window != _WINDOWS["gzip"] or not _GZIP.startswith(left[: len(_GZIP)]):
                        return
                    if len(left) < len(_GZIP):
                        break
                    unpacking = zlib.decompressobj(window)
                yield unpacking.decompress(left, _MOST)
                left = unpacking.unused_data if unpacking.eof else unpacking.unconsumed_tail
        yield unpacking.flush()
    except zlib.error as error:
        raise NoAnswerError(f"its answer can't be unpacked: {error}") from error
