"""Photos for training: crops at their full resolution with a proposed label, kept on disk within limits.

The folder is a data set (docs/data.md): `photos/LOCATION/MOMENT.jpg` and `labels.csv`, whose rows are proposals until
somebody confirms them.
"""

import csv
import hashlib
import io
import logging
import math
import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image

from edge_agent.config.sections import HarvestSection
from kardus.contract.proposals import COLUMNS, ProposalStatus
from kardus.contract.verdicts import Verdict
from kardus.inference.geometry import Float64Array
from kardus.inference.preprocess import cut_out
from kardus.support.errors import DataError
from kardus.support.files import write_whole

LABELS, PHOTOS = "labels.csv", "photos"
MAX_SIDE_PX, MIN_SIDE_PX = 1024, 32
"""A crop is as wide as the longest side of its slot in the picture, within these."""
QUALITY = 92
PRUNE_EVERY = 20
"""After so many photos the limits are applied again ..."""
PRUNED_TO = 0.9
"""... and what is too much is removed down to this share, so that the table isn't written anew for every photo."""
_HEADER = (",".join(COLUMNS) + "\n").encode()
log = logging.getLogger("kardus.harvest")


@dataclass(frozen=True)
class HarvestedCrop:
    """One crop with the label that the WMS proposes for it."""

    location: str
    facing: int | None
    """Counts the facings of a location from 1; None where it has one."""
    camera: str
    captured: datetime
    proposed: str
    """The SKU that is expected there, or `empty`."""
    verdict: Verdict
    seen: str
    """What the model says that it is; empty: nothing, or none of its classes."""
    confidence: float
    encode: Callable[[], bytes]
    """Gives the crop as JPEG."""


def upright_jpeg(frame: Image.Image, corners: Float64Array) -> bytes:
    """The slot with these corners (4, 2), upright and square, with every pixel that the frame has of it: JPEG."""
    longest = float(np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1).max())
    side = int(min(max(round(longest), MIN_SIDE_PX), MAX_SIDE_PX))
    buffer = io.BytesIO()
    Image.fromarray(cut_out(frame, corners, side)).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


class Harvest:
    """The folder. Written by one thread; a person may edit its table meanwhile."""

    def __init__(self, folder: Path, limits: HarvestSection) -> None:
        """Take up what the folder holds; it is made with the first photo."""
        self._folder = folder
        self._limits = limits
        self._since_pruning = PRUNE_EVERY

    def apply_settings(self, limits: HarvestSection) -> None:
        """Take a reloaded `[harvest]`; its limits hold from the next crop on."""
        self._limits = limits

    def keep(self, proposals: Sequence[HarvestedCrop]) -> int:
        """Keep photos, each before its row, so that no row is without its photo. Returns how many.

        A disk that doesn't take them is logged, and costs no verdict.
        """
        rows: list[dict[str, str]] = []
        try:
            for proposal in proposals:
                path = self._folder / PHOTOS / folder_name(proposal.location) / _file_name(proposal)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(path, proposal.encode())
                rows.append(_row(path.relative_to(self._folder), proposal))
            self._add(rows)
            self._prune_at_times(len(rows))
        except (DataError, OSError) as error:
            log.error("photos for training aren't kept: %s", error)  # noqa: TRY400 - the message says it all
            self.try_pruning()  # on a full disk there may be room for the next ones then
            return 0
        return len(rows)

    def try_pruning(self) -> None:
        """Apply the limits; what can't be removed is logged."""
        try:
            self.prune(time.time())
        except (DataError, OSError) as error:
            log.error("old photos for training can't be removed: %s", error)  # noqa: TRY400

    def prune(self, now_unix_s: float) -> None:
        """Remove photos that are too old, and where the rest is too much, the oldest of whatever location has most.

        Where none are kept any more (`max_mb` is 0) those that there are go when they are too old.

        Raises:
            DataError: the table can't be read or written.
            OSError: a photo can't be removed.
        """
        photos = [_HarvestedFile.of(path) for path in (self._folder / PHOTOS).glob("*/*.jpg")]
        oldest_s = now_unix_s - self._limits.max_days * 86_400
        gone = [photo for photo in photos if photo.modified_s < oldest_s]
        gone += too_many(
            [photo for photo in photos if photo.modified_s >= oldest_s], self._limits.max_mb * 1e6 or math.inf
        )
        for photo in gone:
            photo.path.unlink(missing_ok=True)
        if gone:
            self._rewrite([])

    def _prune_at_times(self, count: int) -> None:
        self._since_pruning += count
        if self._since_pruning >= PRUNE_EVERY:
            self._since_pruning = 0
            self.prune(time.time())

    def _add(self, rows: Sequence[dict[str, str]]) -> None:
        """Append rows; where somebody has changed the table's form, or its last line was torn, write it anew."""
        table = self._folder / LABELS
        if not _is_as_written(table):
            self._rewrite(rows)
            return
        with table.open("ab") as file:
            file.write(_lines(COLUMNS, rows))  # a power cut may cost the last ones: a sync would hold up the outbox's

    def _rewrite(self, new: Sequence[dict[str, str]]) -> None:
        """Write the table whole: its rows as somebody has left them, but those whose photo is gone, and new ones."""
        from kardus.support.tabular.table_headers import WantedColumns  # noqa: PLC0415 - an agent starts sooner without tables
        from kardus.support.tabular.tables import read_rows  # noqa: PLC0415

        table = self._folder / LABELS
        _close(table)
        # a line that a power cut tore has a problem, and is no photo of ours any more
        known = [row.values for row in read_rows(table, WantedColumns(("path",)))] if table.is_file() else []
        known = [row for row in known if row.get("name") or row.get("proposed")]
        rows = [row for row in known if row.get("path") and (self._folder / row["path"]).is_file()]
        columns = list(dict.fromkeys([*COLUMNS, *(key for row in rows for key in row)]))
        write_whole(table, (",".join(columns) + "\n").encode() + _lines(columns, [*rows, *new]))


def _close(table: Path) -> None:
    """Take the last line away where a power cut tore it within a quoted cell: the whole table can't be read else."""
    content = table.read_bytes() if table.is_file() else b""
    if content.count(b'"') % 2:
        whole, newline, _ = content.rpartition(b"\n")
        write_whole(table, whole + newline)


@dataclass(frozen=True)
class _HarvestedFile:
    path: Path
    modified_s: float
    size: int

    @staticmethod
    def of(path: Path) -> "_HarvestedFile":
        found = path.stat()
        return _HarvestedFile(path, found.st_mtime, found.st_size)


def too_many(photos: Sequence[_HarvestedFile], max_bytes: float) -> list[_HarvestedFile]:
    """Which photos go, so that the rest is PRUNED_TO of what is allowed; none where it is no more than allowed.

    The location that holds most gives its oldest one, again and again: none can push out all others.
    """
    total = sum(photo.size for photo in photos)
    if total <= max_bytes:
        return []
    by_location: dict[Path, list[_HarvestedFile]] = defaultdict(list)
    for photo in sorted(photos, key=lambda p: (p.modified_s, p.path), reverse=True):
        by_location[photo.path.parent].append(photo)
    held = {folder: sum(photo.size for photo in own) for folder, own in by_location.items()}
    gone = []
    while total > PRUNED_TO * max_bytes:
        largest = max(held, key=held.__getitem__)
        oldest = by_location[largest].pop()
        held[largest] -= oldest.size
        total -= oldest.size
        gone.append(oldest)
    return gone


def folder_name(location: str) -> str:
    """A folder for a location: its code, with a mark of its own where the code can't be a folder's name everywhere."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", location)[:60]
    return plain if plain == location else f"{plain}-{hashlib.sha256(location.encode()).hexdigest()[:8]}"


def _file_name(proposal: HarvestedCrop) -> str:
    facing = "" if proposal.facing is None else f"-{proposal.facing}"
    return f"{proposal.captured:%Y%m%dT%H%M%S.%f}Z{facing}.jpg"


def _row(path: Path, proposal: HarvestedCrop) -> dict[str, str]:
    return {
        "path": path.as_posix(),
        "status": ProposalStatus.PROPOSED,
        "proposed": proposal.proposed,
        "seen": proposal.seen,
        "confidence": f"{proposal.confidence:.3f}" if proposal.seen else "",
        "verdict": proposal.verdict,
        "location": proposal.location,
        "facing": "" if proposal.facing is None else str(proposal.facing),
        "camera": proposal.camera,
        "captured": proposal.captured.isoformat(timespec="milliseconds"),
    }


def _is_as_written(table: Path) -> bool:
    """Whether lines can be appended: the header is ours, and the last line is whole."""
    if not table.is_file():
        return False
    with table.open("rb") as file:
        if file.readline() != _HEADER:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _lines(columns: Sequence[str], rows: Sequence[dict[str, str]]) -> bytes:
    text = io.StringIO()
    csv.DictWriter(text, columns, restval="", lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
