"""The store of pictures: files in a folder, or objects in a store that fsspec knows (S3 and what speaks like it).

A picture is stored before the row that tells of it, and deleted after that row: whatever is killed, a row has its
picture. Its name follows from agent, location and event, so that what comes again overwrites nothing but itself.
"""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from kardus.support.errors import DataError
from kardus.support.files import move_durably
from warehouse.store.database import StoreError

_FOLDER_CHARACTERS = 2


class PictureStore:
    """The pictures of one database, at a path or an address (`s3://BUCKET/PREFIX`). For any thread."""

    def __init__(self, where: str) -> None:
        """Keep where they are; nothing is made before the first picture comes.

        Raises:
            DataError: the address needs a package that isn't installed, or is none.
        """
        self.where = where
        self._folder = None if "://" in where else Path(where)
        self._remote: Any
        self._remote, self._root = (None, "") if self._folder else _remote(where)

    def add(self, agent: str, location: str, event: str, jpeg: bytes) -> str:
        """Store a picture for good, unless there is one of this agent, location and event; its file's name.

        Raises:
            StoreError: the disk or the store doesn't take it.
        """
        digest = hashlib.sha256(f"{agent}\x00{location}\x00{event}".encode()).hexdigest()
        name = f"{digest[:_FOLDER_CHARACTERS]}/{digest[_FOLDER_CHARACTERS:42]}.jpg"
        with self._explained("written"):
            if self._folder:
                _write_file(self._folder / name, jpeg)
            elif not self._remote.exists(f"{self._root}/{name}"):
                self._remote.pipe_file(f"{self._root}/{name}", jpeg)
        return name

    def read(self, name: str) -> bytes | None:
        """A picture by its file's name; None: it isn't there any more.

        Raises:
            StoreError: the disk or the store doesn't give it.
        """
        with self._explained("read"):
            try:
                if self._folder:
                    return (self._folder / name).read_bytes()
                return bytes(self._remote.cat_file(f"{self._root}/{name}"))
            except FileNotFoundError:
                return None

    def delete(self, names: Iterable[str]) -> None:
        """Delete pictures, those that are there.

        Raises:
            StoreError: the disk or the store doesn't do it.
        """
        with self._explained("deleted"):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    if self._folder:
                        (self._folder / name).unlink()
                    else:
                        self._remote.rm_file(f"{self._root}/{name}")

    def names(self) -> set[str]:
        """Every file's name. Reads the whole folder or store.

        Raises:
            StoreError: the disk or the store can't be read.
        """
        with self._explained("read"):
            if self._folder:
                return {path.relative_to(self._folder).as_posix() for path in self._folder.glob("*/*.jpg")}
            return {str(path).removeprefix(f"{self._root}/") for path in self._remote.find(self._root)}

    @contextlib.contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        raised: tuple[type[Exception], ...] = (OSError, *_store_errors())
        try:
            yield
        except raised as error:
            reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
            raise StoreError(f"pictures in {self.where} can't be {done}: {reason}") from error


def _write_file(path: Path, content: bytes) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")  # another receiver may be writing the same picture
    try:
        part.write_bytes(content)
        move_durably(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _remote(where: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # noqa: PLC0415 - not needed for a folder

    try:
        found, root = url_to_fs(where, use_listings_cache=False)  # other receivers write and delete there too
    except (ImportError, ValueError) as error:
        raise DataError(
            f"--pictures {where}: can't be used ({error}): name a folder, or install what it needs"
        ) from error
    return found, str(root).rstrip("/")


def _store_errors() -> tuple[type[Exception], ...]:
    """What S3's client raises that isn't the system's error."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an extra of its own
    except ImportError:
        return ()
    return BotoCoreError, ClientError
