"""The sender's process as the tests hold it."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.faults.gauges import Gauges
from tests.faults.sender import Orders
from tests.patience import PATIENCE_S, holds, stretched

WAIT_S = PATIENCE_S


def wait_until(condition: Callable[[], bool], within_s: float = WAIT_S, what: str = "") -> float:
    """Wait for something that another process does; how many seconds it took.

    `within_s` is a promise of docs/faults.md, or the guard: on a busy machine it takes as much longer as all does.
    """
    start_s, allowed_s = time.monotonic(), within_s
    while not holds(condition):  # nothing in this process is told
        if time.monotonic() - start_s >= allowed_s:
            allowed_s = max(allowed_s, stretched(within_s))
            assert time.monotonic() - start_s < allowed_s, f"not within {within_s:.0f} s: {what}"
    return time.monotonic() - start_s


@dataclass(frozen=True)
class Committed:
    """A batch of which the sender was told that it is stored."""

    epoch: str
    first: int
    last: int
    at_s: float
    """Monotonic time at which `append` returned."""
    urgent: bool


class Load:
    """A sender that can be started, killed, stopped in its tracks and started again; use it in a `with` statement."""

    def __init__(self, folder: Path, port: int, prefix: Sequence[str] = (), outbox: Path | None = None) -> None:
        """`prefix` goes before the command (`ip netns exec NAME`)."""
        self._folder = folder / "sender"
        self._folder.mkdir(parents=True)
        self.outbox = outbox or self._folder / "outbox.sqlite"
        self.orders = Orders(str(self.outbox), str(self._folder), port)
        self._prefix = list(prefix)
        self.process: subprocess.Popen[bytes] | None = None
        self.gauges = Gauges.make(self._folder / "gauges")

    def with_orders(self, **orders: object) -> Self:
        """Other orders than the usual ones."""
        self.orders = dataclasses.replace(self.orders, **orders)  # type: ignore[arg-type]
        return self

    def __enter__(self) -> Self:
        """Begin."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what runs."""
        if self.process is not None:
            self.kill()

    def start(self) -> None:
        """Run it."""
        self.orders.write(self._folder / "orders.json")
        for name, unknown in (("connected", 0), ("waiting", -1), ("unconfirmed", -1)):
            self.gauges[name] = unknown  # not as the one before may have left it
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self._prefix, sys.executable, "-m", "tests.faults.sender", str(self._folder / "orders.json")],
                stderr=log,
            )

    def send(self, number: signal.Signals) -> None:
        """A signal."""
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it as a power cut would."""
        assert self.process
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> None:
        """End it in order; what isn't delivered stays."""
        assert self.process
        self.process.terminate()
        assert self.process.wait(WAIT_S) == 0, self.log()
        self.process = None

    @property
    def is_running(self) -> bool:
        """Whether it lives."""
        return self.process is not None and self.process.poll() is None

    def committed(self) -> list[Committed]:
        """What it was told that it is stored, in order. A line that was cut off is none."""
        path = self._folder / "committed"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [Committed(**json.loads(line)) for line in lines]

    def log(self) -> str:
        """What it logged."""
        return (self._folder / "log").read_text(encoding="utf-8")

    def wait_appended(self, more: int) -> None:
        """Until so many more events are stored."""
        goal = self.gauges["appended"] + more
        wait_until(lambda: self.gauges["appended"] >= goal, what=f"{more} more events\n{self.log()[-2000:]}")

    def wait_connected(self, within_s: float = WAIT_S) -> float:
        """Until the broker has it; how long that took."""
        return wait_until(lambda: self.gauges["connected"] == 1, within_s, "connected")

    def wait_disconnected(self, within_s: float) -> float:
        """Until it has noticed that the broker is gone; how long that took."""
        return wait_until(lambda: self.gauges["connected"] == 0, within_s, "disconnected")

    def end_load(self) -> None:
        """Append nothing more, and deliver what is there: the process is restarted."""
        self.stop()
        self.with_orders(total=0)
        self.start()
        self.wait_connected()

    def resident_mb(self) -> float:
        """The memory that the process takes."""
        assert self.process
        text = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
        return int(text.split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6

    def descriptors(self) -> int:
        """Its open files."""
        assert self.process
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))
