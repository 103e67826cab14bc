"""Alerts as agents publish them, and targets that are told of them."""

from datetime import UTC, datetime
from pathlib import Path

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from kardus.support.identifiers import uuid7
from tests.publishers import Message, Publisher
from warehouse.connectors.deliver.queue import DeliveryQueue
from warehouse.connectors.deliver.settings import DeliverSettings, make_targets, read_settings
from warehouse.connectors.deliver.worker import TargetWorker
from warehouse.store.database import Database

NAME = "partner"
REFUSALS = 3


def told_of(  # noqa: PLR0917
    box: Publisher,
    location: str,
    seen: str | None,
    alert: str = "",
    status: str = "open",
    verdict: Verdict = Verdict.MISMATCH,
    reason: str = "",
) -> Message:
    """An event of an alert where Tea is expected; the alert is the location's own unless another is named."""
    moment = datetime.now(UTC)
    given = {"id": alert or f"alert-{location}", "status": status, "opened": moment}
    box.sequence += 1
    box.ids.append(uuid7())
    finding = box.finding(location, verdict, "Tea", seen)
    topic, payload = box._writer.event(
        finding,
        None,
        box.epoch,
        box.sequence,
        historical=False,
        alert=Alert.model_validate(given),
        event_id=box.ids[-1],
    )
    return topic, payload.replace(b'"reason":""', f'"reason":"{reason}"'.encode()) if reason else payload


def settings_of(folder: Path, text: str) -> DeliverSettings:
    """A file with one target."""
    path = folder / "deliver.toml"
    path.write_text(f'refusals = {REFUSALS}\nbegin = "first"\n[targets.{NAME}]\n{text}', encoding="utf-8")
    return read_settings(path)


def worker_of(database: Database, settings: DeliverSettings) -> TargetWorker:
    """What delivers to it; its thread isn't started."""
    queue = DeliveryQueue(database, NAME, refusals=settings.refusals, from_beginning=True)
    return TargetWorker(NAME, make_targets(settings)[NAME], queue)


def settle(worker: TargetWorker) -> None:
    """Until nothing happens any more."""
    quiet = 0
    while quiet < REFUSALS + 2:
        quiet = 0 if worker.round() else quiet + 1
