"""Tells the service manager that the agent is ready and alive: systemd's notification protocol, sd_notify(3)."""

import contextlib
import logging
import os
import socket
import threading

from kardus.support.vitals import Vitals

log = logging.getLogger("kardus.watchdog")


def notify(state: str) -> bool:
    """Send a state such as `READY=1` to the service manager; False where there is none, or it doesn't listen."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # Linux's abstract names
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect(address)
        channel.sendall(state.encode())
        return True
    return False


def watchdog_s() -> float | None:
    """How often the service manager wants a sign of life from this process, in seconds; None: never."""
    wanted, process = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not wanted.isdigit() or not int(wanted) or (process and process != str(os.getpid())):
        return None
    return int(wanted) / 1e6


class Watchdog:
    """Gives a sign of life three times as often as wanted, as long as every thread does its work."""

    def __init__(self, vitals: Vitals, wanted_s: float) -> None:
        """Prepare; `start` begins."""
        self._vitals = vitals
        self._interval_s = wanted_s / 3
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.wait(self._interval_s):
            problems = self._vitals.problems()
            if problems:
                log.error("no sign of life to the service manager: %s", "; ".join(problems))
            else:
                notify("WATCHDOG=1")
