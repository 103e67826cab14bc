"""Alerts as agents publish them, and targets that are told of them."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import update

from kardus.contract.messages import Alert
from kardus.contract.verdicts import Verdict
from kardus.support.identifiers import uuid7
from tests.publishers import Message, Publisher
from warehouse.connectors.deliver.queue import DeliveryQueue
from warehouse.connectors.deliver.settings import DeliverSettings, make_targets, read_settings
from warehouse.connectors.deliver.worker import TargetWorker
from warehouse.store.database import Database
from warehouse.store.tables import targets

NAME = "partner"
REFUSALS = 3
_SAYING = """
import sys
from warehouse.connectors.deliver.holder import own_holder
print(own_holder(), flush=True)
sys.stdin.read()
"""


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


def queue_of(database: Database, *, from_beginning: bool = True) -> DeliveryQueue:
    """The target's place, as a deliverer takes it up."""
    return DeliveryQueue(database, NAME, refusals=3, from_beginning=from_beginning)


def held_by(database: Database, holder: str, seconds: float = 100.0) -> None:
    """Let somebody hold the target for so long."""
    with database.writing() as connection:
        connection.execute(update(targets).values(holder=holder, held_until=time.time() + seconds))


@contextmanager
def held_elsewhere(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that says which holder it is, and waits."""
    python = [*words, sys.executable, "-c", _SAYING]
    with subprocess.Popen(python, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()
