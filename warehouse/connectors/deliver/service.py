"""`kardus-wms deliver`: tells every target what is stored, until it is stopped."""

import contextlib
import logging
import signal
import threading
import time
from dataclasses import asdict
from typing import Any, Self

from kardus.support.errors import DataError, KardusError
from kardus.support.health_page import HealthPage
from kardus.support.signals import call_on_signals
from kardus.support.systemd import notify
from warehouse.connectors.deliver.health import report
from warehouse.connectors.deliver.queue import DeliveryQueue
from warehouse.connectors.deliver.settings import DeliverSettings, make_targets
from warehouse.connectors.deliver.upkeep import known_targets
from warehouse.connectors.deliver.worker import TargetStatus, TargetWorker
from warehouse.connectors.signs_of_life import SignsOfLife
from warehouse.store.database import Database, StoreError

HEALTH_POLL_S = 0.5
STOP_S = 10.0
log = logging.getLogger("kardus.deliver")


class Deliverer:
    """Runs a worker for each target."""

    def __init__(self, database: Database, settings: DeliverSettings) -> None:
        """Prepare; a target that is new is noted in the database.

        Raises:
            KardusError: a target can't be used, or the database can't be written.
        """
        self._workers: dict[str, TargetWorker] = {}
        begins_first = settings.begin == "first"
        try:
            for name, target in make_targets(settings).items():
                queue = DeliveryQueue(database, name, refusals=settings.refusals, from_beginning=begins_first)
                self._workers[name] = TargetWorker(name, target, queue)
            forgotten = set(known_targets(database)) - set(self._workers)
        except StoreError as error:
            raise DataError(f"{database.address}: can't be written ({error}): try again, or check the disk") from error
        for name in sorted(forgotten):
            log.warning("target '%s' isn't in the file: events are kept for it until `deliver --forget %s`", name, name)

    def __enter__(self) -> Self:
        """Begin to deliver."""
        for worker in self._workers.values():
            worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End: what is under way may end, what wasn't delivered stays."""
        for worker in self._workers.values():
            worker.stop(STOP_S)

    def statuses(self) -> dict[str, TargetStatus]:
        """How it goes, by target."""
        return {name: worker.status for name, worker in self._workers.items()}

    def require_alive(self) -> None:
        """Return if every thread is running.

        Raises:
            RuntimeError: one has died, by a fault of the program.
        """
        for name, worker in self._workers.items():
            if not worker.is_alive:
                raise RuntimeError(f"the thread that delivers to {name} has died")


def run_deliver(
    database: Database,
    settings: DeliverSettings,
    seconds: float | None,
    *,
    health: tuple[str, int] | None,
    as_json: bool,
) -> None:
    """Deliver until a signal, or for so many seconds.

    Raises:
        KardusError: a target can't be used; or, at the end of the seconds, one still takes nothing.
    """
    stopping = threading.Event()
    call_on_signals((signal.SIGTERM, signal.SIGINT), stopping.set)
    deadline_s = time.monotonic() + seconds if seconds else float("inf")
    deliverer = Deliverer(database, settings)
    with contextlib.ExitStack() as stack:
        if health is not None:
            stack.enter_context(HealthPage(*health, lambda: report(deliverer.statuses())))
        stack.enter_context(SignsOfLife(lambda: _signs_of(deliverer.statuses()), as_json=as_json))
        stack.enter_context(deliverer)
        notify("READY=1")
        while time.monotonic() < deadline_s and not stopping.wait(HEALTH_POLL_S):
            deliverer.require_alive()
        notify("STOPPING=1")
    problems = [f"{name}: {status.problem}" for name, status in deliverer.statuses().items() if status.problem]
    if seconds and problems:
        raise KardusError(f"{problems[0]}: what it lacks is kept")


def _signs_of(statuses: dict[str, TargetStatus]) -> tuple[str, dict[str, Any]]:
    problems = [f"{name}: {status.problem}" for name, status in statuses.items() if status.problem]
    delivered = sum(status.delivered for status in statuses.values())
    told = {name: asdict(status) for name, status in statuses.items()}
    return (problems[0] if problems else f"{delivered} events delivered"), {"targets": told}
