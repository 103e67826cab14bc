"""Opens what a user names as a file so that nothing hangs: a pipe would be waited for without end."""

import errno
import os
import select
import stat
from pathlib import Path
from typing import BinaryIO

PIPE_S = 5.0
"""How long a pipe may have nobody who writes into it."""


def open_file(path: Path) -> BinaryIO:
    """Open a file of a disk, of which parts are read in any order.

    Raises:
        OSError: it can't be opened, or is none: a folder, a pipe, a device.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is a folder" if path.is_dir() else "it is a pipe or a device", str(path))
    return os.fdopen(descriptor, "rb")


def read_file(path: Path) -> bytes:
    """The content of a file, or what comes through a pipe, as a shell's `<(...)` makes one.

    Raises:
        OSError: it can't be read, or is a pipe into which nobody writes.
    """
    if not path.is_fifo():
        return path.read_bytes()
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as pipe:
        if not select.select([pipe], [], [], PIPE_S)[0] and not _has_writer(pipe.fileno()):
            raise OSError(errno.ETIMEDOUT, "it is a pipe into which nobody writes", str(path))
        os.set_blocking(pipe.fileno(), True)
        return pipe.read()


def _has_writer(pipe: int) -> bool:
    """Whether an empty pipe is open for writing: it is at its end otherwise."""
    try:
        os.read(pipe, 1)
    except BlockingIOError:
        return True
    return False
