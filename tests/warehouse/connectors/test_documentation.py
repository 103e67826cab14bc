"""Every key of the connectors' files is described in docs/wms.md."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from kardus.support.health_page import HealthReport
from warehouse.connectors.deliver.epcis_capture import EpcisSettings
from warehouse.connectors.deliver.health import report as of_targets
from warehouse.connectors.deliver.kafka_settings import KafkaSettings
from warehouse.connectors.deliver.odoo import OdooCounts
from warehouse.connectors.deliver.settings import DeliverSettings
from warehouse.connectors.deliver.tryton import TrytonCounts
from warehouse.connectors.deliver.webhook import WebhookSettings
from warehouse.connectors.deliver.worker import TargetStatus
from warehouse.connectors.epcis.mapping import MappingFile
from warehouse.connectors.sync.client_token import OAuthSettings
from warehouse.connectors.sync.erpnext import ErpnextSettings
from warehouse.connectors.sync.folder import FolderSettings
from warehouse.connectors.sync.health import SyncStatus
from warehouse.connectors.sync.health import report as of_sync
from warehouse.connectors.sync.http_json import HttpSettings
from warehouse.connectors.sync.odoo import OdooSettings
from warehouse.connectors.sync.settings import SyncSettings
from warehouse.connectors.sync.sftp_settings import SftpSettings
from warehouse.connectors.sync.sql import SqlSettings
from warehouse.connectors.sync.tryton import TrytonSettings
from warehouse.receiving.health import report as of_receiver
from warehouse.receiving.receiver import ReceiverStatus

PAGE = (Path(__file__).parents[3] / "docs" / "wms.md").read_text(encoding="utf-8")

RECEIVING = ReceiverStatus(True, "", *range(11))


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
        DeliverSettings,
        WebhookSettings,
        TrytonCounts,
        OdooCounts,
        KafkaSettings,
        EpcisSettings,
        SftpSettings,
        OdooSettings,
        ErpnextSettings,
    ],
)
def test_every_key_is_described(model: type[BaseModel]) -> None:
    for name in model.model_fields:
        assert f"`{name}`" in PAGE or f"\n{name} = " in PAGE or f"[{name}" in PAGE, name


@pytest.mark.parametrize(
    ("status", "prefix", "told"),
    [
        (TargetStatus(), "kardus_deliver_", of_targets({"erp": TargetStatus()})),
        (SyncStatus(), "kardus_sync_", of_sync(SyncStatus())),
        (RECEIVING, "kardus_receive_", of_receiver(RECEIVING)),
    ],
)
def test_every_count_is_described_and_in_the_metrics(status: object, prefix: str, told: HealthReport) -> None:
    for name in vars(status):
        assert f"`{name}`" in PAGE, name
        assert f"{prefix}{name}" in told.metrics
    assert f"`{prefix}`" in PAGE
