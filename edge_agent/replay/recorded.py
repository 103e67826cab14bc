"""Reads a recording: what an agent kept, what `kardus-agent simulate shelf` wrote, or plain pictures and videos."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from edge_agent.camera.decoding.stream import video_source
from edge_agent.camera.still import FolderPictures, try_picture
from edge_agent.config.sources import VideoSource
from edge_agent.records import ExpectedMessage, Frame, SignalLost
from kardus.contract.messages import Expected
from kardus.contract.recording import ENTRIES, HEADER, RecordingEntry, RecordingHeader
from kardus.inference.part_decoded import GivenPicture
from kardus.inference.photo_files import sort_folder
from kardus.support.errors import DataError

UNTIMED_START = datetime(1970, 1, 1, tzinfo=UTC)
"""When plain pictures begin: nobody knows when they were taken."""


@dataclass(frozen=True)
class ReplayedInput:
    """Something that the agent deals with, and when."""

    at: datetime
    at_s: float
    """On a clock that never jumps, over the whole recording."""
    item: Frame | SignalLost | ExpectedMessage
    picture: int | None = None
    """Which picture of the recording it is, from 0; None for what is none."""


@dataclass(frozen=True)
class PlayableRecording:
    """A recording that can be played."""

    cameras: Mapping[str, bool]
    """Every camera, and whether it is live."""
    moments: Callable[[Collection[str]], Iterator[ReplayedInput]]
    """Everything in its order, of these cameras. A picture that can't be read is a lost signal, as it is live."""
    count: int | None = None
    """How many moments there are at most; None: nobody knows."""


@dataclass(frozen=True)
class UntimedPictures:
    """What pictures without times don't say themselves."""

    camera: str
    interval_s: float = 1.0
    """From one picture to the next."""
    every: int = 1
    """Take every n-th."""
    expected: Mapping[str, str | None] = field(default_factory=dict)
    """The SKU in each location; None: it must be empty."""


@dataclass(frozen=True)
class _Part:
    folder: Path
    header: RecordingHeader
    entries: list[RecordingEntry]


def parts_in(path: Path) -> list[Path]:
    """The folders of a recording, in order; none where `path` is no recording."""
    if (path / HEADER).is_file():
        return [path]
    if not path.is_dir():
        return []
    return sorted(folder for folder in path.iterdir() if folder.name.isdigit() and (folder / HEADER).is_file())


def open_parts(folders: list[Path]) -> PlayableRecording:
    """A recording with its own times.

    Raises:
        DataError: a file of it is damaged; only a last line that wasn't finished is passed over.
    """
    parts = [_read_part(folder) for folder in folders]
    cameras = {name: live for part in parts for name, live in part.header.cameras.items()}
    count = sum(len(part.entries) for part in parts)
    return PlayableRecording(cameras, lambda wanted: _play_parts(parts, wanted), count)


def open_untimed(path: Path, untimed: UntimedPictures) -> PlayableRecording:
    """A folder of pictures, in the order of their names, or a video file.

    Raises:
        DataError: there is no such file or folder.
    """
    if not path.exists():
        raise DataError(f"{path}: no such recording: name a folder of a recording or of pictures, or a video file")
    if path.is_dir() and not sort_folder(path).pictures:
        raise DataError(f"{path}: neither a recording nor a picture in it: name a folder that has one")
    return PlayableRecording(
        {untimed.camera: False}, lambda wanted: _play_untimed(path, untimed) if untimed.camera in wanted else iter(())
    )


def _read_part(folder: Path) -> _Part:
    try:
        header = RecordingHeader.model_validate_json((folder / HEADER).read_bytes())
        lines = (folder / ENTRIES).read_bytes().splitlines()
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror}): copy the recording again") from error
    except ValidationError as error:
        raise DataError(f"{folder / HEADER}: not a recording's header ({_first(error)}): copy it again") from error
    return _Part(folder, header, list(_entries(folder / ENTRIES, lines)))


def _entries(path: Path, lines: list[bytes]) -> Iterator[RecordingEntry]:
    for number, line in enumerate(lines, start=1):
        try:
            yield RecordingEntry.model_validate_json(line)
        except ValidationError as error:
            if number == len(lines):
                return  # the agent was stopped while it wrote
            raise DataError(
                f"{path}: line {number}: not an entry ({_first(error)}): copy the recording again"
            ) from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip()


def _play_parts(parts: list[_Part], wanted: Collection[str]) -> Iterator[ReplayedInput]:
    """Seconds go on within a run of the agent; from one run to the next the calendar tells them."""
    run, offset_s, at, at_s, picture = "", 0.0, UNTIMED_START, 0.0, -1
    for part in parts:
        for entry in part.entries:
            if part.header.run != run:
                gap_s = max(0.0, (entry.at - at).total_seconds()) if run else entry.at_s
                run, offset_s = part.header.run, at_s + gap_s - entry.at_s
            own_s = entry.at_s + offset_s  # a picture that had waited is older than what was dealt with before it
            at, at_s = entry.at, max(at_s, own_s)
            picture += entry.picture is not None
            if entry.camera is None or entry.camera in wanted:
                yield _moment(part.folder, entry, (own_s, at_s), picture)


def _moment(folder: Path, entry: RecordingEntry, times_s: tuple[float, float], picture: int) -> ReplayedInput:
    """`times_s`: the entry's own, and when it was dealt with."""
    own_s, at_s = times_s
    if entry.location is not None and entry.expected is not None:
        return ReplayedInput(entry.at, at_s, ExpectedMessage(entry.location, entry.expected.model_dump_json().encode()))
    if entry.camera is None:
        raise AssertionError("an entry is of a camera or of a location")
    if entry.picture is None:
        return ReplayedInput(entry.at, at_s, SignalLost(entry.camera, entry.at, entry.lost or ""))
    seen = try_picture(folder / entry.picture)
    return ReplayedInput(entry.at, at_s, _item(entry.camera, picture, entry.at, own_s, seen), picture)


def _item(camera: str, picture: int, at: datetime, at_s: float, seen: GivenPicture | str) -> Frame | SignalLost:
    if isinstance(seen, str):
        return SignalLost(camera, at, seen)
    return Frame(camera, picture + 1, at, at_s, seen)


def _play_untimed(path: Path, untimed: UntimedPictures) -> Iterator[ReplayedInput]:
    for location, sku in sorted(untimed.expected.items()):
        payload = Expected(revision=1, sku=sku).model_dump_json().encode()
        yield ReplayedInput(UNTIMED_START, 0.0, ExpectedMessage(location, payload))
    source = FolderPictures(path) if path.is_dir() else video_source(VideoSource(type="video", path=path))
    try:
        for picture, seen in enumerate(islice(source.pictures(), 0, None, untimed.every)):
            at_s = picture * untimed.interval_s
            at = UNTIMED_START + timedelta(seconds=at_s)
            yield ReplayedInput(at, at_s, _item(untimed.camera, picture, at, at_s, seen), picture)
    finally:
        source.close()
