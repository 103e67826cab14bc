"""A folder into which the WMS puts its list: the newest file is what stands there, as `kardus-wms expect` reads it."""

import threading
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from kardus.support.errors import KardusError
from kardus.support.table_headers import Layout
from kardus.support.tables import read_rows
from warehouse.connectors.sync.source import Snapshot, SourceError
from warehouse.stock.list_layout import Preset, column_names, read_preset
from warehouse.stock.stock_list import COLUMNS

LOOK_S = 1.0
_UNFINISHED = (".part", ".tmp", ".filepart", "~")


class FolderSettings(BaseModel):
    """`[source]` with `kind = "folder"`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["folder"]
    """Lists that are dropped into a folder."""
    folder: Path
    """The folder. A list names every managed location; the newest counts."""
    pattern: str = "*"
    """Which files of it are lists, as `stock-*.csv`."""
    preset: str = ""
    """What its columns are called, as with `kardus-wms expect --preset`."""
    columns: tuple[str, ...] = ()
    """The same, one by one, as with `--columns`: `["location=Lokasi", "sku=Kode"]`."""
    sheet: str | None = None
    """The sheet of a workbook that has several."""
    encoding: str | None = None
    """Of a text that isn't UTF-8."""


class FolderSource:
    """Reads the newest list again when it is another or has changed."""

    def __init__(self, settings: FolderSettings) -> None:
        """Prepare.

        Raises:
            UsageError: preset or columns are wrong.
        """
        preset = read_preset(settings.preset) if settings.preset else Preset()
        names = column_names(settings.columns, preset)
        left_out = frozenset(text.lower() for text in preset.left_out)
        self._layout = Layout(settings.sheet, None, names, settings.encoding, left_out)
        self._settings = settings
        self._seen: tuple[object, ...] | None = None
        self.name = f"{settings.folder}/{settings.pattern}"

    def read(self) -> Snapshot:
        """The newest list. One that is still being written isn't taken: its size and time must rest."""
        path = self._newest()
        before = _stamp(path)
        try:
            rows = list(read_rows(path, COLUMNS, self._layout))
        except KardusError as error:
            raise SourceError(str(error)) from error
        if not rows:
            raise SourceError(f"{path}: no location is listed")
        if _stamp(path) != before:
            raise SourceError(f"{path}: is being written: it is read when it rests")
        self._seen = before
        return Snapshot(
            tuple(dict.fromkeys(row.values.get("location", "") for row in rows if row.values.get("location"))),
            tuple(rows),
        )

    def wait(self, stopping: threading.Event, seconds: float) -> None:
        """Until there is another list, or the newest has changed."""
        waited = 0.0
        while waited < seconds and not stopping.wait(min(LOOK_S, seconds - waited)):
            waited += LOOK_S
            try:
                if _stamp(self._newest()) != self._seen:
                    return
            except SourceError:
                continue

    def close(self) -> None:
        """Nothing is open."""

    def _newest(self) -> Path:
        try:
            files = [
                (path.stat().st_mtime_ns, path)
                for path in self._settings.folder.glob(self._settings.pattern)
                if path.is_file() and not path.name.startswith(".") and not path.name.lower().endswith(_UNFINISHED)
            ]
        except OSError as error:
            raise SourceError(
                f"{self.name}: cannot be read ({error.strerror}): check the folder and its rights"
            ) from error
        if not files:
            raise SourceError(f"{self.name}: holds no list")
        return max(files)[1]


def _stamp(path: Path) -> tuple[object, ...]:
    try:
        found = path.stat()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}): check its rights") from error
    return path, found.st_mtime_ns, found.st_size, found.st_ino
