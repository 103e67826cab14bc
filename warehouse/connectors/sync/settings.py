"""The configuration of `kardus-wms sync`: a TOML file."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from kardus.support.settings_files import read_settings_file
from warehouse.connectors.relative_paths import with_paths_below_file
from warehouse.connectors.sync.erpnext import ErpnextSettings, ErpnextSource
from warehouse.connectors.sync.folder import DropFolder, FolderSettings
from warehouse.connectors.sync.http_json import HttpSettings, HttpSource
from warehouse.connectors.sync.odoo import OdooSettings, OdooSource
from warehouse.connectors.sync.sftp_settings import SftpSettings
from warehouse.connectors.sync.source import StockSource
from warehouse.connectors.sync.sql import SqlSettings, SqlSource
from warehouse.connectors.sync.tryton import TrytonSettings, TrytonSource
from warehouse.stock.stock_list import StockRules

SourceSettings = Annotated[
    SqlSettings | HttpSettings | FolderSettings | SftpSettings | TrytonSettings | OdooSettings | ErpnextSettings,
    Field(discriminator="kind"),
]


def _sftp(settings: SftpSettings) -> StockSource:
    from warehouse.connectors.sync.sftp import SftpSource  # noqa: PLC0415 - needs the extra `sftp`

    return SftpSource(settings)


_SOURCES: dict[type[BaseModel], Callable[[Any], StockSource]] = {
    SqlSettings: SqlSource,
    HttpSettings: HttpSource,
    FolderSettings: DropFolder,
    SftpSettings: _sftp,
    TrytonSettings: TrytonSource,
    OdooSettings: OdooSource,
    ErpnextSettings: ErpnextSource,
}


class SyncSettings(BaseModel):
    """What stands in the file of `kardus-wms sync`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    source: SourceSettings
    """The WMS; its other keys depend on `kind`."""
    poll_s: Annotated[float, Field(ge=0.1, le=86400)] = 60.0
    """Seconds between two questions, where the WMS doesn't tell by itself."""
    blank_is_empty: bool = False
    """Stock whose SKU is NULL or blank says that the location must be empty; else it is an error."""
    mixed: bool = False
    """A location with several products isn't managed; else it is an error."""

    drained_within_s: Annotated[float, Field(ge=60, le=604800)] = 3600.0
    """The seconds over which it is looked how much has gone in all ..."""
    most_drained: Annotated[float, Field(gt=0, le=1)] = 0.5
    """... and the share that may have: of the managed locations, and of the occupied ones. 1: all of them."""

    @property
    def rules(self) -> StockRules:
        """How its rows are read."""
        return StockRules(blank_is_empty=self.blank_is_empty, mixed=self.mixed)


def read_settings(path: Path) -> SyncSettings:
    """Read a file; relative paths in it begin at its folder.

    Raises:
        UsageError: it isn't there, isn't TOML, or a key of it is wrong.
    """
    return with_paths_below_file(read_settings_file(path, SyncSettings, "docs/wms.md"), path)


def make_source(settings: SyncSettings) -> StockSource:
    """The source that the settings describe; it isn't asked yet.

    Raises:
        UsageError: a part of it can't be used.
    """
    return _SOURCES[type(settings.source)](settings.source)
