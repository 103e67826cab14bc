"""`kardus-wms receive`: runs a receiver as a service, with readiness and watchdog notifications for systemd."""

import contextlib
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import UsageError
from kardus.support.health_page import HealthPage
from kardus.support.input_files import read_file
from kardus.support.signals import call_on_signals
from kardus.support.status_lines import write_status_line
from kardus.support.systemd import notify, watchdog_s
from warehouse.receiving.health import report
from warehouse.receiving.receiver import Receiver, ReceiverSettings
from warehouse.receiving.webhooks import WebhookEndpoint
from warehouse.signing import read_signing_secret
from warehouse.store.interruption import TransactionInterruptedError

SECRET_VARIABLE = "KARDUS_WEBHOOK_SECRET"  # noqa: S105 - its name
LEAVING = (
    "--webhook goes with the next version: give `kardus-wms deliver` a target of kind 'webhook' with the same address "
    "and secret, which posts the same (docs/wms.md, Webhooks)"
)
STATUS_INTERVAL_S = 10.0
HEALTH_POLL_S = 0.5
YOUNG_OBJECTS = 20_000
"""Python looks for garbage after so many more objects: a transaction's messages make some thousands, and no cycles."""
log = logging.getLogger("kardus.receiver")


def run_receiver(
    broker: BrokerSettings,
    settings: ReceiverSettings,
    webhook: WebhookEndpoint | None,
    seconds: float | None,
    *,
    health: tuple[str, int] | None,
    as_json: bool,
) -> None:
    """Receive until a signal, or for so many seconds. `health`: where its page is served.

    Raises:
        KardusError: the database can't be used, another receiver of this name has connected, or the health page's
            address can't be listened to.
    """
    stopping = threading.Event()
    call_on_signals((signal.SIGTERM, signal.SIGINT), stopping.set)
    deadline = time.monotonic() + seconds if seconds else float("inf")
    try:
        receiver = Receiver(broker, settings, webhook)
    except TransactionInterruptedError as error:
        log.warning("%s", error)
        return
    with contextlib.ExitStack() as stack:
        stack.enter_context(receiver)
        if health is not None:
            stack.enter_context(HealthPage(*health, lambda: report(receiver.status(), broker.certificate_file)))
        stack.enter_context(collecting_seldom())
        notify("READY=1")
        status_at_s = time.monotonic() + STATUS_INTERVAL_S
        while (
            not stopping.wait(min(HEALTH_POLL_S, max(0.0, deadline - time.monotonic()))) and time.monotonic() < deadline
        ):
            receiver.require_alive()
            if watchdog_s() is not None:
                notify("WATCHDOG=1")
            if time.monotonic() >= status_at_s:
                status_at_s += STATUS_INTERVAL_S
                _report_status(receiver, as_json=as_json)
        notify("STOPPING=1")
    _report_status(receiver, as_json=as_json)


@contextlib.contextmanager
def collecting_seldom() -> Iterator[None]:
    """What is there stays, and garbage in cycles is looked for rarely: else it is a tenth of what an event costs."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def webhook_from_options(url: str, secret_file: Path | None) -> WebhookEndpoint | None:
    """The webhook endpoint that the options describe; None without an address.

    Raises:
        UsageError: there is no secret, or it or the address can't be used.
    """
    if not url:
        return None
    log.warning("%s", LEAVING)
    if secret_file is None:
        text, source = os.environ.get(SECRET_VARIABLE, ""), SECRET_VARIABLE
        if not text:
            raise UsageError(f"--webhook: nothing to sign with: give --webhook-secret-file, or set {SECRET_VARIABLE}")
        return WebhookEndpoint(url, read_signing_secret(text, source))
    try:
        text = read_file(secret_file).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(
            f"--webhook-secret-file {secret_file}: cannot be read ({reason}): name a file with the secret"
        ) from error
    return WebhookEndpoint(url, read_signing_secret(text, f"--webhook-secret-file {secret_file}"))


def _report_status(receiver: Receiver, *, as_json: bool) -> None:
    status = receiver.status()
    notify(f"STATUS={status.problem or f'{status.events} events stored'}")
    if as_json:
        write_status_line(asdict(status))
