"""By what it is noticed that a file was changed or replaced."""

from pathlib import Path

FileStamp = tuple[int, int, int]
"""When it was written (ns), its length in bytes, and its inode: that of another file under the name differs."""


def file_stamp(path: Path) -> FileStamp | None:
    """The stamp of a file or folder; None where there is none, or it can't be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
