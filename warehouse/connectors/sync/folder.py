"""A folder into which the WMS puts its list: the newest file is what stands there, as `kardus-wms expect` reads it."""

import os
import threading
import time
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from warehouse.connectors.sync.lists import ListSettings, is_finished, require_present, snapshot_of
from warehouse.connectors.sync.source import SourceError, StockSnapshot
from warehouse.connectors.sync.timed_question import LateAnswerError, TimedQuestion

POLL_S = 1.0
LIMIT_S = 60.0
"""For reading a list that rests, and for each poll of the folder: it may be on a server that is away."""
_LATE = "look whether the folder's server is there"


class FolderSettings(ListSettings):
    """`[source]` with `kind = "folder"`."""

    kind: Literal["folder"]
    """Lists that are dropped into a folder."""
    folder: Path
    """The folder. A list names every managed location; the newest counts."""
    settle_s: Annotated[float, Field(ge=0, le=3600)] = 2.0
    """Seconds for which a list must have kept its size and time before it is read."""


class DropFolder:
    """Reads the newest list again when it is another or has changed."""

    def __init__(self, settings: FolderSettings) -> None:
        """Prepare.

        Raises:
            UsageError: preset or columns are wrong.
        """
        self._form = settings.form()
        self._settings = settings
        self._seen: tuple[object, ...] | None = None
        self._stopping = threading.Event()
        self.name = f"{settings.folder}/{settings.pattern}"
        self._question = TimedQuestion(self._read, LIMIT_S + settings.settle_s, _LATE, self.name)
        self._stamp_question = TimedQuestion(lambda: _stamp(self._newest()), LIMIT_S, _LATE, self.name)

    def read(self) -> StockSnapshot:
        """The newest list. One that is still being written isn't taken: its size and time must rest."""
        return self._question.answer()

    def _read(self) -> StockSnapshot:
        path = self._newest()
        before = _stamp(path)
        if before != self._seen:
            self._stopping.wait(self._settings.settle_s)
        if _stamp(path) != before:
            raise SourceError(f"{path}: is being written: it is read when it rests")
        found = snapshot_of(path, self._form, str(path))
        if _stamp(path) != before:
            raise SourceError(f"{path}: is being written: it is read when it rests")
        self._seen = before
        return found

    def wait(self, stopping: threading.Event, seconds: float) -> None:
        """Until there is another list, the newest has changed, or the folder doesn't answer: `read` tells of that."""
        until_s = time.monotonic() + seconds

        def is_over() -> bool:
            return stopping.is_set() or time.monotonic() >= until_s

        while (left_s := until_s - time.monotonic()) > 0 and not stopping.wait(min(POLL_S, left_s)):
            try:
                if self._stamp_question.answer(is_over) != self._seen:
                    return
            except LateAnswerError:
                return
            except SourceError:
                continue

    def stop(self) -> None:
        """Wait no longer for a list to rest, nor for the folder."""
        self._stopping.set()
        self._question.stop()
        self._stamp_question.stop()

    def close(self) -> None:
        """Nothing is open."""

    def _newest(self) -> Path:
        try:
            with os.scandir(self._settings.folder):  # `glob` finds nothing in a folder that isn't there, or is closed
                pass
            files = [
                (path.stat().st_mtime_ns, path)
                for path in self._settings.folder.glob(self._settings.pattern)
                if path.is_file() and is_finished(path.name)
            ]
        except OSError as error:
            raise SourceError(
                f"{self.name}: cannot be read ({error.strerror}): check the folder and its rights"
            ) from error
        if not files:
            raise SourceError(f"{self.name}: holds no list")
        written_ns, newest = max(files)
        require_present(str(newest), written_ns / 1e9)
        return newest


def _stamp(path: Path) -> tuple[object, ...]:
    try:
        found = path.stat()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}): check its rights") from error
    return path, found.st_mtime_ns, found.st_size, found.st_ino
