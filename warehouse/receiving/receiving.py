"""`kardus-wms receive`: a receiver that runs until it is stopped, and tells the service manager that it lives."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from kardus.support.errors import UsageError
from kardus.support.systemd import notify, watchdog_s
from warehouse.receiving.connection import Broker
from warehouse.receiving.receiver import Receiver, Settings
from warehouse.receiving.signing import read_secret
from warehouse.receiving.webhooks import Webhook

SECRET_VARIABLE = "KARDUS_WEBHOOK_SECRET"  # noqa: S105 - its name
STATUS_EVERY_S = 10.0
ROUND_S = 0.5


def receive(
    broker: Broker, settings: Settings, webhook: Webhook | None, seconds: float | None, *, as_json: bool
) -> None:
    """Receive until a signal, or for so many seconds.

    Raises:
        KardusError: the database can't be used, or another receiver of this name has connected.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    deadline = time.monotonic() + seconds if seconds else float("inf")
    with Receiver(broker, settings, webhook) as receiver:
        notify("READY=1")
        tell_at_s = time.monotonic() + STATUS_EVERY_S
        while not stopping.wait(min(ROUND_S, max(0.0, deadline - time.monotonic()))) and time.monotonic() < deadline:
            receiver.require_alive()
            if watchdog_s() is not None:
                notify("WATCHDOG=1")
            if time.monotonic() >= tell_at_s:
                tell_at_s += STATUS_EVERY_S
                _tell(receiver, as_json=as_json)
        notify("STOPPING=1")
    _tell(receiver, as_json=as_json)


def webhook_of(url: str, secret_file: Path | None) -> Webhook | None:
    """What the options say of a webhook; None where none is wanted.

    Raises:
        UsageError: there is no secret, or it or the address can't be used.
    """
    if not url:
        return None
    if secret_file is None:
        text, source = os.environ.get(SECRET_VARIABLE, ""), SECRET_VARIABLE
        if not text:
            raise UsageError(f"--webhook: nothing to sign with: give --webhook-secret-file, or set {SECRET_VARIABLE}")
        return Webhook(url, read_secret(text, source))
    try:
        text = secret_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(
            f"--webhook-secret-file {secret_file}: cannot be read ({reason}): name a file with the secret"
        ) from error
    return Webhook(url, read_secret(text, f"--webhook-secret-file {secret_file}"))


def _tell(receiver: Receiver, *, as_json: bool) -> None:
    status = receiver.status()
    notify(f"STATUS={status.problem or f'{status.events} events stored'}")
    if as_json:
        sys.stdout.write(json.dumps(asdict(status)) + "\n")
        sys.stdout.flush()
