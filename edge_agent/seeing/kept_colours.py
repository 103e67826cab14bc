"""What was learnt of the cameras' colours, kept over restarts: an agent that starts at night knows that it is night.

One small PNG a camera in `data_dir`, with a mark of how its locations were laid out: after another commissioning it
says nothing.
"""

import hashlib
import io
import logging
from collections.abc import Collection
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from edge_agent.config.cameras import CameraSection
from edge_agent.seeing.view_colours import Cells
from kardus.support.errors import DataError
from kardus.support.files import write_whole

LAID_OUT = "laid-out"
"""The text chunk with the mark."""
MAX_CELLS = 1_000_000
log = logging.getLogger("kardus.seeing")


class KeptColours:
    """A folder of them. Where it can't be used nothing is kept, and the log says so: no verdict depends on it."""

    def __init__(self, folder: Path | None) -> None:
        """None: keep nothing (a replay, a check)."""
        self._folder = folder

    def read(self, camera: CameraSection) -> Cells | None:
        """What was learnt of a camera as it is laid out now; None: nothing, or what can't be read."""
        if self._folder is None:
            return None
        path = self._folder / _file(camera.name)
        try:
            if not path.is_file():
                return None
            with Image.open(path, formats=("PNG",)) as image:
                fits = image.mode in {"RGB", "RGBA"} and image.width * image.height <= MAX_CELLS
                laid_out = image.info.get(LAID_OUT)
                return _with_clipped(image) if fits and laid_out == _laid_out(camera) else None
        except (OSError, SyntaxError, ValueError) as error:
            log.warning("%s: %s: the colours of camera %s are learnt anew", path, error, camera.name)
            return None

    def write(self, camera: CameraSection, cells: Cells | None) -> None:
        """Keep them, if there are any, in place of what was kept."""
        if self._folder is None or cells is None:
            return
        note, file = PngInfo(), io.BytesIO()
        note.add_text(LAID_OUT, _laid_out(camera))
        Image.fromarray(cells).save(file, "PNG", pnginfo=note)
        try:
            self._folder.mkdir(exist_ok=True)
            write_whole(self._folder / _file(camera.name), file.getvalue())
        except (OSError, DataError) as error:
            log.warning("the colours of camera %s are not kept over a restart: %s", camera.name, error)

    def forget_others(self, cameras: Collection[str]) -> None:
        """Remove what is of cameras that aren't configured any more."""
        if self._folder is None:
            return
        files = {_file(camera) for camera in cameras}
        try:
            for path in self._folder.glob("*.png"):
                if path.name not in files:
                    path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s: what is of cameras that are gone stays (%s)", self._folder, error.strerror)


def _file(camera: str) -> str:
    return f"{hashlib.sha256(camera.encode()).hexdigest()[:32]}.png"


def _with_clipped(image: Image.Image) -> Cells:
    """Before 0.1.0 it wasn't kept what is clipped: nothing, then."""
    return (
        np.asarray(image)
        if image.mode == "RGBA"
        else np.dstack([np.asarray(image), np.zeros(image.size[::-1], np.uint8)])
    )


def _laid_out(camera: CameraSection) -> str:
    section = camera.model_copy(update={"source": None, "interval_s": 0})
    return hashlib.sha256(repr(section).encode()).hexdigest()
