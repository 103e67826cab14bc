"""Writes files so that no reader ever sees half of one, and judges a target before the work begins."""

import contextlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from kardus.support.errors import DataError, UsageError


def write_whole(path: Path, data: bytes) -> None:
    """Write to a temporary name, then rename: a reader sees the old file or the new one.

    Raises:
        DataError: the disk doesn't take it; what was there stays as it was.
    """
    try:
        with _part_of(path) as part:
            part.write_bytes(data)
            part.replace(path)
    except OSError as error:
        raise _unwritten(path, error) from error


def write_durably(path: Path, data: bytes) -> None:
    """As `write_whole`, and on the disk when it returns: a power cut leaves the old file or the new one.

    Raises:
        DataError: the disk doesn't take it; what was there stays as it was.
    """
    try:
        with _part_of(path) as part:
            part.write_bytes(data)
            move_durably(part, path)
    except OSError as error:
        raise _unwritten(path, error) from error


@contextlib.contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    """The temporary name of a file that is to be written; what is left there goes whatever happens, Ctrl-C too."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _unwritten(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be written ({error.strerror}): check the folder, its rights and its space")


def move_durably(source: Path, target: Path) -> None:
    """Give a file its name for good: its content is on the disk before the name is, and the name when it returns.

    Raises:
        OSError: the disk doesn't take it.
    """
    _sync(source)
    source.replace(target)
    _sync(target.parent)


def rename_damaged(path: Path) -> Path:
    """Give a damaged database, with its -wal and -shm, another name, at which the next start doesn't look; that name.

    Raises:
        OSError: the folder can't be written to.
    """
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    path.replace(aside)
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    return aside


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_private(path: Path, data: bytes) -> None:
    """Write a secret whole, readable by its owner alone from its first byte on.

    Raises:
        DataError: the disk doesn't take it; what was there stays as it was.
    """
    try:
        with _part_of(path) as part:
            part.unlink(missing_ok=True)
            with open(part, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(data)
            part.replace(path)
    except OSError as error:
        raise _unwritten(path, error) from error


@contextlib.contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """Give a folder to be filled, which gets its name, `folder`, only when the `with` statement ends well.

    Else it goes again, with what is in it and the parents that were made for it.

    Raises:
        FileExistsError: something of that name is there already.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists already: name a new folder")
    building = folder.with_name(folder.name + ".part")
    shutil.rmtree(building, ignore_errors=True)  # what a run left that was killed
    new = [parent for parent in folder.parents if not os.path.lexists(parent)]
    try:
        building.mkdir(parents=True)
        yield building
        building.replace(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        _remove_empty(new)
        raise


def require_file_target(option: str, path: Path) -> None:
    """A file that is to be written: its folder must be there, and it must not be a folder itself.

    Raises:
        UsageError: it is not so; the message names the option.
    """
    try:
        is_folder, has_parent = path.is_dir(), path.parent.is_dir()
    except OSError as error:  # a name that is too long, say
        raise UsageError(f"{option} {path}: can't be used ({error.strerror}): name another file") from error
    if is_folder:
        raise UsageError(f"{option} {path}: is a folder: name a file")
    if not has_parent:
        raise UsageError(f"{option} {path}: no folder {path.parent}: make it first")


def require_new_folder(option: str, path: Path) -> None:
    """A folder that is to be made, with its parents: nothing may be there yet, and it must be possible to make it.

    Raises:
        UsageError: it is not so; the message names the option.
    """
    if path.exists():
        raise UsageError(f"{option} {path}: is there already: name a new folder")
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {path}: {above} can't be written to: name another folder")


def require_usable_folder(key: str, path: Path) -> None:
    """A folder in which files will be written and read, whether or not it is there yet. Changes nothing.

    Raises:
        DataError: something else is there, or its rights or its disk don't allow it; the message names the key.
    """
    try:
        existing = next(place for place in (path, *path.absolute().parents) if place.exists() or place.is_symlink())
        usable = existing.is_dir() and os.access(existing, os.R_OK | os.W_OK | os.X_OK)
    except OSError as error:  # a folder on the way that mustn't be looked into, a name that is too long
        raise DataError(f"{key}: {path} can't be looked into ({error.strerror}): correct owner and rights") from error
    if not existing.is_dir():
        raise DataError(f"{key}: {existing} is no folder: move it away, or name another folder")
    if not usable:
        raise DataError(f"{key}: {existing} can't be written to: correct its owner, its rights and its disk's")


def require_usable_file(key: str, path: Path) -> None:
    """A file that will be read and written, where it is there already. Changes nothing.

    Raises:
        DataError: something else is there, or its rights don't allow it; the message names the key.
    """
    if path.exists() and not path.is_file():
        raise DataError(f"{key}: {path} is no file: move it away")
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise DataError(f"{key}: {path} can't be read and written: correct its owner and rights")


def make_folder(option: str, path: Path) -> None:
    """Make a folder, with its parents, where it isn't there yet.

    Raises:
        UsageError: it can't be made; the message names the option.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{option} {path}: can't be made ({error.strerror}): name a folder") from error


@contextlib.contextmanager
def made_folder(option: str, path: Path) -> Iterator[None]:
    """As `make_folder`; what of it and its parents is still empty at the end, and wasn't there before, goes again.

    Raises:
        UsageError: as `make_folder`.
    """
    new = [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]
    try:
        make_folder(option, path)
        yield
    finally:
        _remove_empty(new)


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders, the innermost first, as far as they are empty."""
    with contextlib.suppress(OSError):  # from the first on that holds anything
        for folder in folders:
            if os.path.lexists(folder):
                folder.rmdir()
