"""The zip file of a bundle, of which nothing is believed: what it declares is judged first, and unpacked bit by bit.

Whoever sent it may have made it to fill the memory. So the directory's own size, the number of members, their names
and their sizes are checked before any is unpacked, each is unpacked only when asked for, and no further than its size.
"""

import contextlib
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from kardus.support.errors import BundleError

MAX_BUNDLE_BYTES = 1_000_000_000
CHUNK_BYTES = 1 << 20
"""So much of a bundle's file is read, or fetched, at once."""
MAX_JSON_BYTES = 20_000_000
MAX_SIGNATURES_BYTES = 100_000
MAX_MEMBERS = 10_000
MAX_RATIO = 20
"""Of what is unpacked to the file. Weights and PNG files hardly shrink when they are packed, JSON to a quarter."""
FREE_BYTES = 1_000_000
"""So much may be unpacked of a file however small."""
MANIFEST, MODEL, SIGNATURES, GOLDEN = "manifest.json", "model.onnx", "signatures.json", "golden/samples.json"
_MEMBER_NAME = re.compile(r"^(manifest\.json|[a-z]+\.onnx|signatures\.json|golden/[a-z]+\.json|golden/\d{1,5}\.png)$")
"""Models and samples under other names than those above are another version's: they are passed over."""
_DIRECTORY_END = struct.Struct("<4s4x2H2I2x")
"""Signature, entries on this disk, entries, bytes of the directory, its place (APPNOTE 4.3.16, without a comment)."""
_LOCATOR_BYTES = 20
_DIRECTORY_BYTES_PER_MEMBER = 200
_PIECE = 1 << 20


class BundleArchive:
    """The members of a bundle that lies in an open file; needs the file as long as it is used."""

    def __init__(self, file: BinaryIO, source: str) -> None:
        """Read and judge the directory; `source` names the bundle in errors.

        Raises:
            BundleError: it is no bundle, is damaged, or declares more than a bundle may.
        """
        self._source = source
        length = file.seek(0, os.SEEK_END)
        if length > MAX_BUNDLE_BYTES:
            raise BundleError(f"{source}: larger than {MAX_BUNDLE_BYTES} bytes: not a Kardus bundle")
        with self._named_damage():
            _require_small_directory(file, length)
            self._zip = zipfile.ZipFile(file)
        self._entries = {entry.filename: entry for entry in self._zip.infolist()}
        self._judge(self._zip.infolist(), length)

    @property
    def sizes(self) -> dict[str, int]:
        """The members' names, and the bytes that each declares to have unpacked."""
        return {name: entry.file_size for name, entry in self._entries.items()}

    def read(self, name: str) -> bytes:
        """A member, unpacked; never more than it declares.

        Raises:
            BundleError: it is damaged.
        """
        with self._named_damage(), self._zip.open(self._entries[name]) as member:
            return b"".join(iter(lambda: member.read(_PIECE), b""))

    def _judge(self, entries: list[zipfile.ZipInfo], length: int) -> None:
        """Names and declared sizes, before a byte is unpacked."""
        if len(entries) > MAX_MEMBERS or len(self._entries) != len(entries):
            raise BundleError(f"{self._source}: too many or repeated members: not a Kardus bundle; get it again")
        most = min(MAX_BUNDLE_BYTES, FREE_BYTES + MAX_RATIO * length)
        for entry in entries:
            self._judge_one(entry, most)
        total = sum(entry.file_size for entry in entries)
        if total > most:
            raise BundleError(f"{self._source}: declares {total} bytes, packed in {length}: refused; get it again")
        for name in (MANIFEST, MODEL, GOLDEN, SIGNATURES):
            if name not in self._entries:
                raise BundleError(f"{self._source}: {name} is missing: not a Kardus bundle, or damaged; get it again")

    def _judge_one(self, entry: zipfile.ZipInfo, most: int) -> None:
        name = repr(entry.filename)
        if not _MEMBER_NAME.match(entry.filename):
            raise BundleError(f"{self._source}: unknown member {name}: not a Kardus bundle, or altered; get it again")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BundleError(f"{self._source}: member {name} is packed in an unknown way: get the bundle again")
        limit = MAX_SIGNATURES_BYTES if entry.filename == SIGNATURES else MAX_JSON_BYTES
        if entry.file_size > (min(limit, most) if entry.filename.endswith(".json") else most):
            raise BundleError(
                f"{self._source}: member {name} declares {entry.file_size} bytes: refused; get the bundle again"
            )

    @contextlib.contextmanager
    def _named_damage(self) -> Iterator[None]:
        try:
            yield
        except (
            zipfile.BadZipFile,
            zipfile.LargeZipFile,
            NotImplementedError,
            EOFError,
            OSError,
            RuntimeError,
        ) as error:
            raise BundleError(f"{self._source}: damaged, or not a bundle ({error}): get it again") from error
        except (ValueError, zlib.error) as error:
            raise BundleError(f"{self._source}: damaged ({error}): get it again") from error


def _require_small_directory(file: BinaryIO, length: int) -> None:
    """A zip file is read from its end, and all of its directory at once: judge that one's size first.

    Raises:
        zipfile.BadZipFile: the file doesn't end as a bundle does, or its directory is too large for one.
    """
    file.seek(max(0, length - _DIRECTORY_END.size - _LOCATOR_BYTES))
    tail = file.read()
    if len(tail) < _DIRECTORY_END.size:
        raise zipfile.BadZipFile("it is too short")
    signature, _, entries, size, _ = _DIRECTORY_END.unpack(tail[-_DIRECTORY_END.size :])
    is_zip64 = tail[: -_DIRECTORY_END.size].startswith(b"PK\x06\x07")
    if signature != b"PK\x05\x06" or tail[-2:] != b"\0\0" or is_zip64:
        raise zipfile.BadZipFile("it doesn't end with a directory")
    if entries > MAX_MEMBERS or size > MAX_MEMBERS * _DIRECTORY_BYTES_PER_MEMBER:
        raise zipfile.BadZipFile("it lists too many members")
