"""Identifiers and clocks."""

import ctypes
import os
import re
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

BOOT_ID_VARIABLE = "KARDUS_BOOT_ID"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PROCESS_ID = str(uuid.uuid4())
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 512  # larger than struct timex on every Linux; modes = 0 asks and changes nothing


def uuid7(after: str = "") -> str:
    """A UUID whose order is the order of creation (RFC 9562, version 7).

    It is higher than `after`, whatever the clock says, where that is one too.
    """
    milliseconds = time.time_ns() // 1_000_000
    if is_uuid7(after) and after >= _at(milliseconds):
        milliseconds = (uuid.UUID(after).int >> 80) + 1
    return _at(milliseconds, int.from_bytes(os.urandom(10)))


def is_uuid7(text: str) -> bool:
    """Whether a text is a UUID of version 7 as `uuid7` writes it: texts of them have an order of time."""
    return _UUID7.fullmatch(text) is not None


def moment_of(text: str) -> datetime:
    """When a UUID of version 7 was made, by the clock of its maker; the end of the calendar where that is beyond it."""
    try:
        return datetime.fromtimestamp((uuid.UUID(text).int >> 80) / 1000, UTC)
    except (OverflowError, ValueError):
        return datetime.max.replace(tzinfo=UTC)


def _at(milliseconds: int, rest: int = 0) -> str:
    value = milliseconds << 80 | 0x7 << 76 | rest & 0x0FFF_3FFF_FFFF_FFFF_FFFF | 0x2 << 62
    return str(uuid.UUID(int=value))


def boot_id() -> str:
    """Identifies this start of the machine, or of the process where that can't be told (`machine_boot_id`)."""
    return machine_boot_id() or _PROCESS_ID


def machine_boot_id() -> str:
    """Identifies this start of the machine (Linux); empty: it can't be told.

    Where `ProcSubset=pid` hides the kernel's own word, the unit passes systemd's on.
    """
    try:
        text = _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        text = os.environ.get(BOOT_ID_VARIABLE, "")
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return ""


def clock_synchronised() -> bool:
    """Whether the kernel says that its clock is kept right (adjtimex); False where it cannot be asked."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return False
    state = int(adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)))
    return state not in (-1, _TIME_ERROR)
