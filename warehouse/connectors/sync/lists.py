"""Lists that a WMS drops somewhere: which file of several counts, and what it says, as `kardus-wms expect` reads it."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from kardus.support.errors import KardusError
from kardus.support.tabular.table_headers import TableLayout
from kardus.support.tabular.tables import Row, read_rows
from warehouse.connectors.relative_paths import NamesFile
from warehouse.connectors.sync.source import SourceError, StockSnapshot
from warehouse.stock.list_layout import Preset, column_names, read_preset
from warehouse.stock.stock_codes import location_problems
from warehouse.stock.stock_list import COLUMNS, fraction_problems, with_sku

UNFINISHED = (".part", ".tmp", ".filepart", "~")
MAX_NAMED = 5
"""So many wrong lines are named; the others are counted."""
_LAST_UNIX_S = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
MAX_AHEAD_S = 86_400.0
"""A list that is dated further ahead would stay the newest for as long, whatever comes after it."""


@dataclass(frozen=True)
class ListForm:
    """How lists are read: their layout, and where the SKU stands in a cell."""

    layout: TableLayout
    sku_pattern: str


def _pattern(text: str) -> str:
    if not text or "/" in text or "\\" in text:
        raise ValueError("no pattern of a file's name: write one without folders, as stock-*.csv")
    return text


def _preset_below(text: str, folder: Path) -> str:
    return str(folder / text) if text.endswith(".toml") else text


class ListSettings(BaseModel):
    """How the lists are written."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    pattern: Annotated[str, AfterValidator(_pattern)] = "*"
    """Which files are lists, as `stock-*.csv`."""
    preset: Annotated[str, NamesFile(_preset_below)] = ""
    """What its columns are called, as with `kardus-wms expect --preset`."""
    columns: tuple[str, ...] = ()
    """The same, one by one, as with `--columns`: `["location=Lokasi", "sku=Kode"]`."""
    sheet: str | None = None
    """The sheet of a workbook that has several."""
    encoding: str | None = None
    """Of a text that isn't UTF-8."""

    def form(self) -> ListForm:
        """As the readers of tables want it.

        Raises:
            UsageError: preset or columns are wrong.
        """
        preset = read_preset(self.preset) if self.preset else Preset()
        names = column_names(self.columns, preset)
        return ListForm(TableLayout(self.sheet, None, names, self.encoding, preset.line_beginnings), preset.sku_pattern)


def is_finished(name: str) -> bool:
    """Whether a file's name doesn't say that somebody is still writing it."""
    return not name.startswith(".") and not name.lower().endswith(UNFINISHED)


def snapshot_of(path: Path, form: ListForm, name: str) -> StockSnapshot:
    """What a list says; every managed location is named in it.

    A line that can't be read, or of which it can't be told which location it means, is the whole list's fault: that
    location would be given up as one that isn't listed.

    Raises:
        SourceError: it can't be read, or names none; `name` is what it is called in the message.
    """
    try:
        rows = [with_sku(row, form.sku_pattern) for row in read_rows(path, COLUMNS, form.layout)]
    except KardusError as error:
        raise SourceError(str(error).replace(str(path), name)) from error
    if not rows:
        raise SourceError(f"{name}: no location is listed")
    if problems := [*_unreadable(rows)] or fraction_problems(_names(row) for row in rows):
        more = f"; and {len(problems) - MAX_NAMED} more" if len(problems) > MAX_NAMED else ""
        raise SourceError(f"{name}: {'; '.join(problems[:MAX_NAMED])}{more}")
    return StockSnapshot(tuple(dict.fromkeys(row.values["location"] for row in rows)), tuple(rows))


def _unreadable(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        yield from row.problems or (f"line {row.line}: {text}" for text in location_problems(row.values["location"]))


def _names(row: Row) -> tuple[str, str]:
    return row.values["location"], row.values["sku"]


def require_present(name: str, written_unix_s: float) -> None:
    """Refuse the newest list where a wrong clock has dated it.

    Raises:
        SourceError: it is dated more than MAX_AHEAD_S ahead; the message names it.
    """
    if written_unix_s > time.time() + MAX_AHEAD_S:
        dated = datetime.fromtimestamp(min(written_unix_s, _LAST_UNIX_S), UTC)
        raise SourceError(
            f"{name}: is dated {dated:%Y-%m-%d}, ahead of this machine's clock, and would stay the newest until then: "
            "correct the clock that is wrong, and write the list again"
        )
