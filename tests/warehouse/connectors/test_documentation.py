"""Every key of the connectors' files is described in docs/wms.md."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from warehouse.connectors.epcis.mapping import MappingFile
from warehouse.connectors.sync.erpnext import ErpnextSettings
from warehouse.connectors.sync.folder import FolderSettings
from warehouse.connectors.sync.http_json import HttpSettings, OAuthSettings
from warehouse.connectors.sync.odoo import OdooSettings
from warehouse.connectors.sync.settings import SyncSettings
from warehouse.connectors.sync.sftp_settings import SftpSettings
from warehouse.connectors.sync.sql import SqlSettings
from warehouse.connectors.sync.tryton import TrytonSettings

PAGE = (Path(__file__).parents[3] / "docs" / "wms.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "model",
    [
        MappingFile,
        SyncSettings,
        SqlSettings,
        HttpSettings,
        OAuthSettings,
        FolderSettings,
        TrytonSettings,
        SftpSettings,
        OdooSettings,
        ErpnextSettings,
    ],
)
def test_every_key_is_described(model: type[BaseModel]) -> None:
    for name in model.model_fields:
        assert f"`{name}`" in PAGE or f"\n{name} = " in PAGE or f"[{name}]" in PAGE, name
