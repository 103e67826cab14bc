"""Identifiers and clocks."""

import ctypes
import os
import time
import uuid
from pathlib import Path

_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 512  # larger than struct timex on every Linux; modes = 0 asks and changes nothing


def uuid7() -> str:
    """A UUID whose order is the order of creation (RFC 9562, version 7)."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | 0x7 << 76 | int.from_bytes(os.urandom(10)) & 0x0FFF_3FFF_FFFF_FFFF_FFFF | 0x2 << 62
    return str(uuid.UUID(int=value))


def boot_id() -> str:
    """Identifies this start of the machine (Linux), or of the process elsewhere."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return str(uuid.uuid4())


def clock_synchronised() -> bool:
    """Whether the kernel says that its clock is kept right (adjtimex); False where it cannot be asked."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return False
    state = int(adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    return state not in (-1, _TIME_ERROR)
