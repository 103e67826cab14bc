"""Records pictures and expected stock for a replay: in a thread of its own, within limits.

The format is described in `kardus.contract.recording`. Trouble with the disk costs pictures of the recording, and never
a verdict.
"""

import contextlib
import logging
import queue
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_agent.archive.evidence import snapshot_jpeg
from edge_agent.config.sections import RecordingSection
from edge_agent.records import Frame, SignalLost
from kardus.contract.messages import Expected
from kardus.contract.recording import ENTRIES, HEADER, RecordingEntry, RecordingHeader
from kardus.support.clock import Clock
from kardus.support.errors import DataError
from kardus.support.files import write_whole
from kardus.support.worker import Worker

PART_S = 3600.0
"""A part is closed after so long ..."""
PARTS = 10
"""... or when it has grown to this share of all that is kept: the oldest part goes as a whole."""
WAITING = 16
"""More pictures than this don't wait for the disk."""
QUALITY = 92
SPARED_BYTES = 500_000_000
"""So much of the disk stays free for what matters more: the outbox, before all."""
STOP_S = 5.0
"""A disk that hangs holds up no stop for longer."""
log = logging.getLogger("kardus.recording")


@dataclass(frozen=True)
class ExpectedChange:
    """The WMS expects something else."""

    location: str
    expected: Expected


@dataclass(frozen=True)
class RecordingScope:
    """What is to be recorded from now on, and the expected stock of now."""

    rules: RecordingSection
    cameras: Mapping[str, bool]
    """Which, and whether each is live."""
    expected: Mapping[str, Expected]

    @classmethod
    def of(
        cls, rules: RecordingSection, live: Mapping[str, bool], expected: Mapping[str, Expected]
    ) -> "RecordingScope":
        """With the cameras that the rules name: all where they name none."""
        return cls(rules, {name: live[name] for name in rules.cameras or live}, expected)


class Recording(Worker):
    """Takes items from the agent's thread; a thread of its own writes them."""

    def __init__(
        self, folder: Path, scope: RecordingScope, clock: Clock, on_drop: Callable[[], None] = lambda: None
    ) -> None:
        """Begin. The folder is made with the first picture; `on_drop` is called for each picture that is left out."""
        super().__init__("recording")
        self._clock = clock
        self._on_drop = on_drop
        self._last_s: dict[str, float] = {}
        self._items: queue.Queue[tuple[RecordingEntry, Frame | None] | RecordingScope | None] = queue.Queue()
        self._pictures = threading.Semaphore(WAITING)
        self._writer = PartWriter(folder, scope)
        self._scope = scope
        self.start()

    def apply_settings(self, scope: RecordingScope) -> None:
        """Record in another scope from now on."""
        self._scope = scope
        self._items.put(scope)

    def take(self, item: Frame | SignalLost | ExpectedChange) -> None:
        """Keep an item, if it is in the scope. Waits for nothing."""
        if not self._scope.rules.max_mb:
            return
        if isinstance(item, ExpectedChange):
            entry = RecordingEntry(
                at=self._clock.now(),
                at_s=self._clock.monotonic_s(),
                location=item.location,
                expected=item.expected,
            )
            self._items.put((entry, None))
        elif item.camera in self._scope.cameras:
            self._take_of_camera(item)

    def stop(self, timeout_s: float | None = STOP_S) -> None:
        """Write what waits, and stop."""
        self._items.put(None)
        super().stop(timeout_s)

    def _take_of_camera(self, item: Frame | SignalLost) -> None:
        if isinstance(item, SignalLost):
            at_s = self._clock.monotonic_s()
            entry = RecordingEntry(at=item.captured, at_s=at_s, camera=item.camera, lost=item.reason)
            self._items.put((entry, None))
            return
        if item.at_s - self._last_s.get(item.camera, float("-inf")) < self._scope.rules.interval_s:
            return
        if not self._pictures.acquire(blocking=False):
            self._on_drop()
            return
        self._last_s[item.camera] = item.at_s
        # the writer gives the picture its name
        entry = RecordingEntry(at=item.captured, at_s=item.at_s, camera=item.camera, picture="0.jpg")
        self._items.put((entry, item))

    def _run(self) -> None:
        while (item := self._items.get()) is not None:
            try:
                if isinstance(item, RecordingScope):
                    self._writer.apply_settings(item)
                    self._writer.forget_old(time.time())
                else:
                    self._writer.write(*item)
            except Exception as error:  # noqa: BLE001 - the thread's outermost guard: recording goes on with the next
                self._writer.fail(error)
            if isinstance(item, tuple) and item[1] is not None:
                self._pictures.release()


class PartWriter:
    """Writes parts, and removes the oldest. Owned by one thread."""

    def __init__(self, folder: Path, scope: RecordingScope) -> None:
        """Touch nothing yet."""
        self._folder = folder
        self._run = str(uuid.uuid4())
        self._has_failed = False
        self._part: Path | None = None
        self._took_bytes: dict[Path, int] = {}
        self._number = 0
        self._began_s = 0.0
        self.apply_settings(scope)

    def apply_settings(self, scope: RecordingScope) -> None:
        """Record in another scope from now on, which begins another part."""
        self._scope = scope
        self._expected = dict(scope.expected)
        self._part = None

    def write(self, entry: RecordingEntry, frame: Frame | None) -> None:
        """Write an item, into a new part where one is due.

        Raises:
            DataError: the disk doesn't take it.
            OSError: the same.
        """
        if entry.location is not None and entry.expected is not None:
            self._expected[entry.location] = entry.expected
        limit = self._scope.rules.max_mb * 1e6
        if self._part is None or entry.at_s - self._began_s > PART_S or self._took_bytes[self._part] > limit / PARTS:
            self._begin(entry)
        if frame is not None:
            self._require_space()
            self._number += 1
            entry = entry.model_copy(update={"picture": f"{self._number:06d}.jpg"})
            self._add(str(entry.picture), snapshot_jpeg(frame.picture, QUALITY))
        self._append(entry)
        self._prune(limit)
        self._has_failed = False

    def fail(self, error: Exception) -> None:
        """Say so, once; the next item begins a new part, and one without a picture doesn't stay."""
        if self._part is not None and not self._number:
            self._remove(self._part)
        if not self._has_failed:
            log.error("pictures aren't recorded: %s", error)
        self._has_failed, self._part = True, None

    def _begin(self, entry: RecordingEntry) -> None:
        """Another part, with the expected stock as it is now."""
        self._folder.mkdir(parents=True, exist_ok=True)
        parts = self._parts()
        self._took_bytes = {part: sum(file.stat().st_size for file in part.iterdir()) for part in parts}
        number = max((int(part.name) for part in parts), default=0) + 1
        part = self._folder / f"{number:06d}"
        part.mkdir()
        self._part, self._number, self._began_s = part, 0, entry.at_s
        self._took_bytes[part] = 0
        header = RecordingHeader(run=self._run, cameras=dict(self._scope.cameras))
        self._add(HEADER, header.model_dump_json().encode())
        for location, expected in sorted(self._expected.items()):
            self._append(RecordingEntry(at=entry.at, at_s=entry.at_s, location=location, expected=expected))
        self.forget_old(entry.at.timestamp())

    def _add(self, name: str, data: bytes) -> None:
        part = self._open_part()
        write_whole(part / name, data)
        self._took_bytes[part] += len(data)

    def _append(self, entry: RecordingEntry) -> None:
        part = self._open_part()
        line = entry.model_dump_json(exclude_none=True).encode() + b"\n"
        with (part / ENTRIES).open("ab", buffering=0) as file:
            file.write(line)
        self._took_bytes[part] += len(line)

    def _open_part(self) -> Path:
        if self._part is None:
            raise AssertionError("a part is begun before anything is written")
        return self._part

    def _require_space(self) -> None:
        """Give room by removing the oldest parts.

        Raises:
            DataError: that isn't enough.
        """
        while (free := shutil.disk_usage(self._folder).free) < SPARED_BYTES:
            if len(self._took_bytes) == 1:
                raise DataError(
                    f"{self._folder}: {free // 1_000_000} MB are free: {SPARED_BYTES // 1_000_000} are spared"
                )
            self._remove(min(self._took_bytes))

    def _prune(self, limit_bytes: float) -> None:
        """Remove the oldest parts until the rest is small enough; the present one stays."""
        while sum(self._took_bytes.values()) > limit_bytes and len(self._took_bytes) > 1:
            self._remove(min(self._took_bytes))

    def forget_old(self, now_unix_s: float) -> None:
        """Remove parts that are too old, also where nothing is recorded any more."""
        for part in self._parts():
            too_old = now_unix_s - part.stat().st_mtime > self._scope.rules.max_days * 86_400
            if too_old and part != self._part:
                self._remove(part)

    def _remove(self, part: Path) -> None:
        shutil.rmtree(part, ignore_errors=True)
        self._took_bytes.pop(part, None)

    def _parts(self) -> list[Path]:
        with contextlib.suppress(FileNotFoundError):
            return sorted(path for path in self._folder.iterdir() if path.name.isdigit() and path.is_dir())
        return []
