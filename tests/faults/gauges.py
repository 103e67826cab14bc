"""Numbers of a process that another one reads at any time, also after it was killed: they lie in a mapped file."""

import mmap
import struct
from pathlib import Path
from typing import Self

NAMES = (
    "in_transaction",  # 1 between the beginning of an append and its return
    "published",  # handed to the broker over the present connection
    "acknowledged",  # answered for by the broker, of those
    "most_in_flight",
    "connected",
    "connections",
    "appended",
    "refusals",  # appends that the disk didn't take
    "waiting",  # not yet with the broker; -1: not looked yet
    "unconfirmed",  # with the broker, not yet confirmed by the receiver; -1: not looked yet
    "dropped",
    "damaged",
    "last_sequence",
)
_SLOT = struct.Struct("<q")


class Gauges:
    """Whole numbers by name. One process writes them."""

    def __init__(self, file: mmap.mmap) -> None:
        """Use `make` or `open`."""
        self._file = file

    @classmethod
    def make(cls, path: Path) -> Self:
        """A new file, all zero."""
        path.write_bytes(bytes(_SLOT.size * len(NAMES)))
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """An existing file."""
        with path.open("r+b") as file:
            return cls(mmap.mmap(file.fileno(), 0))

    def __getitem__(self, name: str) -> int:
        """The number's present value."""
        return int(_SLOT.unpack_from(self._file, _SLOT.size * NAMES.index(name))[0])

    def __setitem__(self, name: str, value: int) -> None:
        """Set it."""
        _SLOT.pack_into(self._file, _SLOT.size * NAMES.index(name), value)
