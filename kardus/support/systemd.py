"""Tells the service manager that a service is ready and alive: systemd's notification protocol, sd_notify(3)."""

import contextlib
import logging
import os
import socket

from kardus.support.vitals import Vitals
from kardus.support.whole_numbers import whole_number
from kardus.support.worker import Poller

log = logging.getLogger("kardus.watchdog")
LISTENS_S = 1.0
"""A manager that takes nothing for so long doesn't listen: it must hold up no work."""


def notify(state: str) -> bool:
    """Send a state such as `READY=1` to the service manager; False where there is none, or it doesn't listen."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # Linux's abstract names
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.settimeout(LISTENS_S)
        channel.connect(address)
        channel.sendall(state.encode())
        return True
    return False


def watchdog_s() -> float | None:
    """How often the service manager wants a sign of life from this process, in seconds; None: never."""
    wanted, process = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    wanted_us = whole_number(wanted, 2**63 - 1)
    if not wanted_us or (process and process != str(os.getpid())):
        return None
    return wanted_us / 1e6


class Watchdog(Poller):
    """Gives a sign of life three times as often as wanted, as long as every thread does its work."""

    def __init__(self, vitals: Vitals, wanted_s: float) -> None:
        """Prepare; `start` begins."""
        super().__init__("watchdog", wanted_s / 3)
        self._vitals = vitals

    def poll(self) -> None:
        """Give a sign of life, or say in the log why not."""
        problems = self._vitals.problems()
        if problems:
            log.error("no sign of life to the service manager: %s", "; ".join(problems))
        else:
            notify("WATCHDOG=1")
