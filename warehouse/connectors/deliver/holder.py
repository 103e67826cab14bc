"""Which process holds a target, written so that no two processes are ever the same one.

A name and a number don't tell: every container's first process has the number 1, and several containers, or machines
that were made from one image, may have one name. So the boot, the space of numbers and the start of the process stand
beside them.
"""

import os
import re
import secrets
import socket
from functools import lru_cache
from pathlib import Path

from kardus.support.identifiers import machine_boot_id

_PROC = Path("/proc")
_HOLDER = re.compile(r".*, process ([0-9]{1,9}) \[([0-9a-z:]+) ([0-9a-z]+)\]", re.DOTALL)
_STATE, _START = 0, 19
"""Places in `/proc/PID/stat`, after the name: the state, and the start in ticks since the boot."""
_ENDED = frozenset("ZX")
"""States of a process that has ended: zombie and dead."""


def own_holder() -> str:
    """This process, for people and for `has_ended`: `box, process 7 [f5858109588d:4026531836 1234567]`."""
    return _written(os.getpid())


def has_ended(holder: str) -> bool:
    """Whether it was a process that is no more, as far as that can be told from here."""
    found = _HOLDER.fullmatch(holder)
    if found is None or not (space := _space()) or found[2] != space:
        return False
    process = int(found[1])
    stat = _stat(process)
    if not stat:
        return not _is_there(process)
    return stat[_START] != found[3] or stat[_STATE] in _ENDED


@lru_cache(maxsize=1)
def _written(process: int) -> str:
    """Once for a process: whoever forks has another number."""
    stat = _stat(process)
    started = stat[_START] if stat else secrets.token_hex(8)
    return f"{socket.gethostname()}, process {process} [{_space() or 'unknown'} {started}]"


def _space() -> str:
    """Boot and PID namespace, in which a process's number means one process; empty where they can't be told."""
    try:
        number = re.sub(r"\D", "", (_PROC / "self/ns/pid").readlink().name)
    except OSError:
        return ""
    boot = machine_boot_id()
    return f"{boot.replace('-', '')[:12]}:{number}" if boot else ""


def _stat(process: int) -> list[str]:
    """The fields after its name; none: there is no such process, or it is hidden from us (`hidepid`)."""
    try:
        stat = (_PROC / str(process) / "stat").read_bytes()
    except OSError:
        return []
    return stat.rpartition(b")")[2].decode().split()


def _is_there(process: int) -> bool:
    """Whether there is a process of this number, also one that is hidden: signal 0 only asks."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is somebody else's
    return True
