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

_PROC = Path("/proc")
_HOLDER = re.compile(r".*, process ([0-9]+) \[([0-9a-z:]+) ([0-9a-z]+)\]", re.DOTALL)
_START = 19
"""Of the fields after the name in `stat`: when it was started, in ticks since the boot."""


def own_holder() -> str:
    """This process, for people and for `has_ended`: `box, process 7 [f5858109588d:4026531836 1234567]`."""
    return _written(os.getpid())


def has_ended(holder: str) -> bool:
    """Whether it was a process that is no more, as far as that can be told from here."""
    found = _HOLDER.fullmatch(holder)
    if found is None or not (space := _space()) or found[2] != space:
        return False
    return _started(int(found[1])) != found[3]


@lru_cache(maxsize=1)
def _written(process: int) -> str:
    """Once for a process: whoever forks has another number."""
    started = _started(process) or secrets.token_hex(8)
    return f"{socket.gethostname()}, process {process} [{_space() or 'unknown'} {started}]"


def _space() -> str:
    """Where a number of a process means one process: a boot of a machine, and a space of numbers in it."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        number = re.sub(r"\D", "", (_PROC / "self/ns/pid").readlink().name)
    except OSError:
        return ""
    return f"{boot.replace('-', '')[:12]}:{number}"


def _started(process: int) -> str:
    """When it was started; empty: there is none, or it can't be told."""
    try:
        stat = (_PROC / str(process) / "stat").read_bytes()
    except OSError:
        return ""
    return stat.rpartition(b")")[2].split()[_START].decode()
