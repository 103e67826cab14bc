"""Lists that a WMS drops somewhere: which file of several counts, and what it says, as `kardus-wms expect` reads it."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kardus.support.errors import KardusError
from kardus.support.table_headers import TableLayout
from kardus.support.tables import read_rows
from warehouse.connectors.sync.source import SourceError, StockSnapshot
from warehouse.stock.list_layout import Preset, column_names, read_preset
from warehouse.stock.stock_list import COLUMNS

UNFINISHED = (".part", ".tmp", ".filepart", "~")


class ListSettings(BaseModel):
    """How the lists are written."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    pattern: str = "*"
    """Which files are lists, as `stock-*.csv`."""
    preset: str = ""
    """What its columns are called, as with `kardus-wms expect --preset`."""
    columns: tuple[str, ...] = ()
    """The same, one by one, as with `--columns`: `["location=Lokasi", "sku=Kode"]`."""
    sheet: str | None = None
    """The sheet of a workbook that has several."""
    encoding: str | None = None
    """Of a text that isn't UTF-8."""

    def layout(self) -> TableLayout:
        """As the readers of tables want it.

        Raises:
            UsageError: preset or columns are wrong.
        """
        preset = read_preset(self.preset) if self.preset else Preset()
        names = column_names(self.columns, preset)
        return TableLayout(self.sheet, None, names, self.encoding, frozenset(text.lower() for text in preset.left_out))


def is_finished(name: str) -> bool:
    """Whether a file's name doesn't say that somebody is still writing it."""
    return not name.startswith(".") and not name.lower().endswith(UNFINISHED)


def snapshot_of(path: Path, layout: TableLayout, name: str) -> StockSnapshot:
    """What a list says; every managed location is named in it.

    Raises:
        SourceError: it can't be read, or names none; `name` is what it is called in the message.
    """
    try:
        rows = list(read_rows(path, COLUMNS, layout))
    except KardusError as error:
        raise SourceError(str(error).replace(str(path), name)) from error
    if not rows:
        raise SourceError(f"{name}: no location is listed")
    codes = (row.values.get("location", "") for row in rows)
    return StockSnapshot(tuple(dict.fromkeys(code for code in codes if code)), tuple(rows))
