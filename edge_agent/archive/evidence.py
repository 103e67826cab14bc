"""Pictures of what was found: a crop, and the whole frame with the location drawn, kept on disk within limits."""

import io
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from edge_agent.config.sections import EvidenceSection
from kardus.inference.geometry import Float64Array
from kardus.inference.preprocess import cut_out
from kardus.support.chores import Chores
from kardus.support.errors import DataError
from kardus.support.files import write_whole

CROP_PX = 480
"""Width and height of the crop."""
FRAME_PX = 1280
"""Width of the whole frame, at most."""
QUALITY = 85
"""Of a JPEG, 1 to 95."""
PRUNE_EVERY = 20
"""After so many pictures the limits are applied again."""
_ALERT = (218, 54, 51)
log = logging.getLogger("kardus.evidence")


class Evidence:
    """A folder of JPEG files, two an event: `ID-crop.jpg` and `ID-frame.jpg`. Written as chores."""

    def __init__(self, folder: Path, limits: EvidenceSection, chores: Chores) -> None:
        """Take up what the folder holds; it is made with the first picture. Pictures are written as chores."""
        self._folder = folder
        self._limits = limits
        self._chores = chores
        self.works = True
        """Whether the disk took the last pictures."""
        self._since_pruning = PRUNE_EVERY
        chores.daily(self._try_pruning)  # pictures grow old where none comes, too

    def apply_settings(self, limits: EvidenceSection) -> None:
        """Take a reloaded `[evidence]`; its limits hold at once."""
        self._limits = limits
        self._chores.do(self._try_pruning)

    def _try_pruning(self) -> None:
        try:
            self.prune(time.time())
        except OSError as error:
            log.error("old evidence can't be removed: %s", error)  # noqa: TRY400 - the message says it all

    def keep(self, event: str, frame: Image.Image, facings: Sequence[Float64Array], facing: int | None) -> bytes:
        """Have the pictures of an event kept. A disk that doesn't take them is logged, and costs no verdict.

        Args:
            event: its id.
            frame: the whole picture, RGB.
            facings: corners (4, 2) of the location's slots in the frame.
            facing: which of them the verdict is about, from 1; None: all, and the first is shown as the crop.

        Returns:
            The crop as JPEG.
        """
        crop = _jpeg(Image.fromarray(cut_out(frame, facings[(facing or 1) - 1], CROP_PX)))
        self._chores.do(lambda: self._write(event, crop, frame, facings))
        return crop

    def fetch(self, event: str) -> dict[str, bytes]:
        """The pictures of an event: `crop` and `frame`, as JPEG; empty where they are gone. Waits for the chores.

        Raises:
            DataError: the disk doesn't give them.
        """
        self._chores.settle()
        files = {kind: self._folder / f"{event}-{kind}.jpg" for kind in ("crop", "frame")}
        try:
            return {kind: path.read_bytes() for kind, path in files.items() if path.is_file()}
        except OSError as error:
            raise DataError(f"{self._folder}: cannot be read ({error.strerror}): check the disk") from error

    def _write(self, event: str, crop: bytes, frame: Image.Image, facings: Sequence[Float64Array]) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._folder / f"{event}-crop.jpg", crop)
            write_whole(self._folder / f"{event}-frame.jpg", _jpeg(_drawn(frame, facings)))
            self._prune_at_times()
        except (DataError, OSError) as error:
            log.error("evidence isn't kept: %s", error)  # noqa: TRY400 - the message says it all
            self.works = False
            self._try_pruning()  # on a full disk there may be room for the next one then
        else:
            self.works = True

    def _prune_at_times(self) -> None:
        self._since_pruning += 1
        if self._since_pruning >= PRUNE_EVERY:
            self._since_pruning = 0
            self.prune(time.time())

    def prune(self, now_unix_s: float) -> None:
        """Remove what is too old, and then the oldest until the rest is small enough.

        Where none are kept any more (`max_mb` is 0) those that there are go when they are too old.
        """
        limit = self._limits.max_mb * 1e6 or math.inf
        files = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self._folder.glob("*.jpg"))
        total = sum(size for _, size, _ in files)
        for modified, size, path in files:
            too_old = now_unix_s - modified > self._limits.max_days * 86_400
            if not too_old and total <= limit:
                return
            path.unlink(missing_ok=True)
            total -= size


def snapshot_jpeg(frame: Image.Image, quality: int = QUALITY) -> bytes:
    """A whole frame as JPEG, at full size."""
    return _jpeg(frame, quality)


def _drawn(frame: Image.Image, facings: Sequence[Float64Array]) -> Image.Image:
    image = frame.copy()
    draw = ImageDraw.Draw(image)
    for corners in facings:
        places = [(float(x), float(y)) for x, y in corners]
        draw.line([*places, places[0]], fill=_ALERT, width=max(2, image.width // 300))
    image.thumbnail((FRAME_PX, FRAME_PX))
    return image


def _jpeg(image: Image.Image, quality: int = QUALITY) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
