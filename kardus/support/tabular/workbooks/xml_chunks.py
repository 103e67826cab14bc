"""Cuts a part's XML at ends of its elements, so that a chunk which is written plainly needs no XML parser.

A parser calls Python several times for each cell; a list of 100,000 lines takes twice as long by it
(docs/adr/0021-workbooks.md).
"""

import codecs
import re
from collections.abc import Iterator
from typing import IO, NamedTuple

PLAIN_TEXT = r"[^<>&\x00-\x08\x0b-\x1f]*+(?:&(?:amp|lt|gt|quot|apos);[^<>&\x00-\x08\x0b-\x1f]*+)*+"
"""Text that stands for itself, but for the five characters that XML has names for (XML 1.0, 2.4 and 4.6)."""
_CHUNK_BYTES = 1 << 16
_MAX_CHUNK = 1 << 22
"""A chunk without an end that is longer is left to the parser, and all that follows it."""
_DECLARATION = re.compile(
    r"""\ufeff?<\?xml\s+version=["']1\.0["'](?:\s+encoding=["']([A-Za-z0-9_.-]+)["'])?[^<>?]*\?>"""
)
_NAMES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}
_NAME = re.compile("|".join(_NAMES))


class XmlChunk(NamedTuple):
    """A part of the XML, as text, or as bytes where its encoding is the parser's to find out."""

    xml: str | bytes
    is_between_tags: bool
    """Whether it begins and ends between tags, outside of comments and the like: it may be looked at by itself."""


def xml_chunks(part: IO[bytes], end: str) -> Iterator[XmlChunk]:
    """The XML, cut behind an `end` again and again; from where that isn't safe on, as it comes.

    Raises:
        ValueError: it isn't in the encoding that it declares.
    """
    first = part.read(_CHUNK_BYTES)
    if not _is_utf_8(first):
        yield XmlChunk(first, is_between_tags=False)
        yield from _rest(part)
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    held = ""
    chunk = first
    while chunk:
        text = decoder.decode(chunk)
        marks = text if chunk is not first else _DECLARATION.sub("", text, count=1)
        if _may_mislead(held[-1:] + marks) or len(held) > _MAX_CHUNK:
            yield XmlChunk(held + text, is_between_tags=False)
            yield from _rest(part, decoder)
            return
        xml, found, held = (held + text).rpartition(end)
        if found:
            yield XmlChunk(xml + end, is_between_tags=True)
        chunk = part.read(_CHUNK_BYTES)
    yield XmlChunk(held + decoder.decode(b"", final=True), is_between_tags=False)


def unescaped(text: str) -> str:
    """The characters that a PLAIN_TEXT stands for."""
    return _NAME.sub(lambda found: _NAMES[found.group()], text) if "&" in text else text


def _is_utf_8(first: bytes) -> bool:
    """Whether the XML says so, or nothing, which means the same; UTF-16 has bytes that no UTF-8 begins with."""
    begins = first[:200].decode("utf-8", errors="replace")
    declared = _DECLARATION.match(begins)
    if declared is None:
        return re.match(r"\ufeff?<[A-Za-z]", begins) is not None
    return (declared.group(1) or "utf-8").lower() == "utf-8"


def _may_mislead(text: str) -> bool:
    """Whether what looks like a tag may be none: in a comment, a CDATA section or an instruction; or is no XML."""
    return "<!" in text or "<?" in text or "\ufffe" in text or "\uffff" in text


def _rest(part: IO[bytes], decoder: codecs.IncrementalDecoder | None = None) -> Iterator[XmlChunk]:
    while chunk := part.read(_CHUNK_BYTES):
        yield XmlChunk(decoder.decode(chunk) if decoder else chunk, is_between_tags=False)
    if decoder:
        decoder.decode(b"", final=True)
