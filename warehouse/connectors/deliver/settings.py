"""The configuration of `kardus-wms deliver`: a TOML file."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from kardus.support.settings_files import read_settings_file
from warehouse.connectors.deliver.epcis_capture import EpcisSettings, EpcisTarget
from warehouse.connectors.deliver.kafka_settings import KafkaSettings
from warehouse.connectors.deliver.odoo import OdooCounts, OdooTarget
from warehouse.connectors.deliver.target import DeliveryTarget
from warehouse.connectors.deliver.tryton import TrytonCounts, TrytonTarget
from warehouse.connectors.deliver.webhook import WebhookSettings, WebhookTarget
from warehouse.connectors.relative_paths import with_paths_below_file

TargetSettings = Annotated[
    WebhookSettings | TrytonCounts | OdooCounts | KafkaSettings | EpcisSettings, Field(discriminator="kind")
]


def _kafka(key: str, settings: KafkaSettings) -> DeliveryTarget:
    from warehouse.connectors.deliver.kafka import KafkaTarget  # noqa: PLC0415 - confluent-kafka is an extra of its own

    return KafkaTarget(key, settings)


_TARGETS: dict[type[BaseModel], Callable[[str, Any], DeliveryTarget]] = {
    WebhookSettings: WebhookTarget,
    TrytonCounts: TrytonTarget,
    OdooCounts: OdooTarget,
    KafkaSettings: _kafka,
    EpcisSettings: EpcisTarget,
}


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text):
        raise ValueError("a target's name is 1 to 64 letters, digits, dots, hyphens and underscores")
    return text


DeliveryName = Annotated[str, AfterValidator(_name)]


class DeliverSettings(BaseModel):
    """What stands in the file of `kardus-wms deliver`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    targets: Annotated[dict[DeliveryName, TargetSettings], Field(min_length=1)]
    """Who is told, each under a name of your own: its place is kept under that name."""
    refusals: Annotated[int, Field(ge=1, le=1000)] = 5
    """An event that a target has refused so often is set aside, and its location goes on."""
    begin: Literal["now", "first"] = "now"
    """Where a target that is new begins: with the next event, or with the first one that is stored."""


def read_settings(path: Path) -> DeliverSettings:
    """Read a file; relative paths in it begin at its folder.

    Raises:
        UsageError: it isn't there, isn't TOML, or a key of it is wrong.
    """
    return with_paths_below_file(read_settings_file(path, DeliverSettings, "docs/wms.md"), path)


def make_targets(settings: DeliverSettings) -> dict[str, DeliveryTarget]:
    """The targets that the settings describe, by name; nobody is told anything yet.

    Raises:
        KardusError: a part of them can't be used.
    """
    return {name: _TARGETS[type(one)](f"targets.{name}", one) for name, one in settings.targets.items()}
