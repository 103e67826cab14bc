"""Small disks of the tests' own: a file mounted as ext4, and one in memory. Needs root."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

SIZE_MB = 32


class Image:
    """A file with an ext4 in it, mounted for the length of a `with` statement of `mounted`."""

    def __init__(self, path: Path) -> None:
        """Make it, empty."""
        self.path = path
        with path.open("wb") as file:
            file.truncate(SIZE_MB * 1_000_000)
        _run("mkfs.ext4", "-q", str(path))

    def copy_to(self, path: Path) -> None:
        """What has reached the disk, and nothing of what is only in memory.

        The programs that write to it must be stopped. A copy of a disk that changes meanwhile would be of no one
        moment, so it is made again until two agree.
        """
        again = path.with_suffix(".again")
        while True:
            shutil.copyfile(self.path, path)
            shutil.copyfile(self.path, again)
            if path.read_bytes() == again.read_bytes():
                again.unlink()
                return


@contextlib.contextmanager
def mounted(image: Path, at: Path) -> Iterator[Path]:
    """Mount an image; what the file system repairs after a power cut is repaired."""
    at.mkdir(parents=True, exist_ok=True)
    _run("mount", "-o", "loop", str(image), str(at))
    try:
        yield at
    finally:
        _run("umount", str(at))


@contextlib.contextmanager
def memory_disk(at: Path, size: str) -> Iterator[Path]:
    """A disk of so many bytes (`4m`)."""
    at.mkdir(parents=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size}", "kardus-test", str(at))
    try:
        yield at
    finally:
        _run("umount", str(at))


def abort(at: Path) -> None:
    """What the kernel does at a fault of the disk: the file system takes nothing any more, also in open files."""
    _run("mount", "-o", "remount,abort", str(at))


def _run(*words: str) -> None:
    subprocess.run(words, check=True)
