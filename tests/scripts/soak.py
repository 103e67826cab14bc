"""All faults of the delivery at random for a given time: `python -m tests.scripts.soak --minutes 60`.

A sender (outbox, delivery, session) under load, a Mosquitto, a link between them, and an independent receiver that
confirms. One fault after another, chosen at random; after each one it is measured how long it takes until something
that was decided after the fault's end is on the receiver's disk. At the end everything must be there.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.brokers import Mosquitto
from tests.faults.link import Link, Weather
from tests.faults.load import Load, wait_until
from tests.faults.referee import Score, judge, wait_settled
from tests.faults.storing import StoringReceiver

FAULT_S = (0.5, 6.0)
CALM_S = (0.5, 3.0)
RECOVERED_WITHIN_S = 60.0
SETTLED_S = 5.0
"""After its start a process has taken what it needs: growth counts from then on."""


@dataclass
class _Life:
    """What one process of the sender took."""

    first_mb: float
    first_descriptors: int
    most_mb: float = 0.0
    most_descriptors: int = 0


@dataclass
class Figures:
    """What a soak showed."""

    minutes: float
    seed: int
    faults: dict[str, int] = field(default_factory=dict)
    recovery_s: dict[str, list[float]] = field(default_factory=dict)
    """From the fault's end until something decided after it was stored by the receiver, by fault."""
    growth_mb: float = 0.0
    """The largest growth of one sender's process, from its fifth second on."""
    growth_descriptors: int = 0
    receiver_growth_mb: float = 0.0
    longest_life_s: float = 0.0
    score: Score | None = None


class Soak:
    """The parts, and the faults that can befall them."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Make the parts; `run` uses them."""
        self._rng = random.Random(seed)
        self.broker = Mosquitto(folder / "mosquitto", "max_queued_messages 1000\nautosave_interval 30\n")
        self.broker.start()
        self.link = Link(self.broker.port, seed)
        self.load = Load(folder, self.link.port).with_orders(pause_s=0.1, confirmed_within_s=10.0)
        self.receiver = StoringReceiver(folder / "received.sqlite", self.broker.port)
        self._life: _Life | None = None
        self._born_s = 0.0
        self.faults: dict[str, Callable[[], None]] = {
            "sender killed": self._kill_sender,
            "sender stopped in its tracks": self._freeze_sender,
            "broker killed": self._kill_broker,
            "broker stopped in its tracks": self._freeze_broker,
            "link down": self._cut_link,
            "link flaps": self._flap,
            "loss and delay": lambda: self._storm(Weather(delay_s=(0.0, 0.1), loss=0.05)),
            "resets": lambda: self._storm(Weather(reset=0.02)),
            "receiver away": self._receiver_leaves,
        }

    def run(self, figures: Figures) -> None:
        """One fault after another until the time is over, then wait for what is on its way."""
        with self.link, self.receiver:
            self._start_sender()
            self.load.wait_connected()
            own_mb = _resident_mb()
            end_s = time.monotonic() + 60 * figures.minutes
            while time.monotonic() < end_s:
                name = self._rng.choice(sorted(self.faults))
                self.faults[name]()
                figures.faults[name] = figures.faults.get(name, 0) + 1
                figures.recovery_s.setdefault(name, []).append(round(self._recovered(), 2))
                self._measure(figures)
                self._pause(CALM_S)
            self.load.end_load()
            wait_settled(self.load, self.receiver, 120)
            figures.score = judge("32: soak", self.load, self.receiver)
            figures.receiver_growth_mb = round(_resident_mb() - own_mb, 1)
            self.load.stop()
        self.broker.kill()

    def _recovered(self) -> float:
        """How long until something decided from now on is stored at the receiver."""
        start_s = time.monotonic()

        def arrived() -> bool:
            epoch, last = self.receiver.newest()
            return any(c.at_s > start_s and c.epoch == epoch and c.first <= last for c in self.load.committed()[-500:])

        wait_until(arrived, RECOVERED_WITHIN_S, f"something new arrives\n{self.load.log()[-2000:]}")
        return time.monotonic() - start_s

    def _start_sender(self) -> None:
        self.load.start()
        self._born_s, self._life = time.monotonic(), None

    def _measure(self, figures: Figures) -> None:
        lived_s = time.monotonic() - self._born_s
        figures.longest_life_s = max(figures.longest_life_s, round(lived_s, 1))
        if lived_s < SETTLED_S:
            return
        now_mb, descriptors = self.load.resident_mb(), self.load.descriptors()
        life = self._life = self._life or _Life(now_mb, descriptors)
        life.most_mb, life.most_descriptors = max(life.most_mb, now_mb), max(life.most_descriptors, descriptors)
        figures.growth_mb = max(figures.growth_mb, round(life.most_mb - life.first_mb, 1))
        figures.growth_descriptors = max(figures.growth_descriptors, life.most_descriptors - life.first_descriptors)

    def _pause(self, between_s: tuple[float, float]) -> None:
        time.sleep(self._rng.uniform(*between_s))  # the fault's own length

    def _kill_sender(self) -> None:
        self.load.kill()
        self._start_sender()
        self.load.wait_connected()

    def _freeze_sender(self) -> None:
        self.load.send(signal.SIGSTOP)
        self._pause(FAULT_S)
        self.load.send(signal.SIGCONT)

    def _kill_broker(self) -> None:
        self.broker.kill()
        self._pause(FAULT_S)
        self.broker.start()

    def _freeze_broker(self) -> None:
        self.broker.freeze()
        self._pause(FAULT_S)
        self.broker.thaw()

    def _cut_link(self) -> None:
        self.link.down()
        self._pause(FAULT_S)
        self.link.up()

    def _flap(self) -> None:
        for _ in range(4):
            self.link.down()
            self._pause((0.2, 0.8))
            self.link.up()
            self._pause((0.2, 0.8))

    def _storm(self, weather: Weather) -> None:
        self.link.weather = weather
        self._pause(FAULT_S)
        self.link.weather = Weather()

    def _receiver_leaves(self) -> None:
        self.receiver.leave()
        self._pause(FAULT_S)
        self.receiver.come_back()


def soak(minutes: float, seed: int) -> Figures:
    """Run it."""
    figures = Figures(minutes, seed)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        parts = Soak(Path(folder), seed)
        try:
            parts.run(figures)
        finally:
            parts.broker.kill()
            if parts.load.is_running:
                parts.load.kill()
    return figures


def _resident_mb() -> float:
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return int(text.split("VmRSS:")[1].split()[0]) / 1000


def _table(figures: Figures) -> None:
    print(f"{'fault':32}{'times':>6}{'median s':>10}{'longest s':>11}")
    for name, times_s in sorted(figures.recovery_s.items()):
        ordered = sorted(times_s)
        print(f"{name:32}{len(ordered):6}{ordered[len(ordered) // 2]:10.1f}{ordered[-1]:11.1f}")
    score = figures.score
    assert score
    print(f"{score.committed} events committed, {score.stored} stored: L = {score.lost}, D = {score.duplicated}")
    print(f"memory +{figures.growth_mb} MB, file descriptors +{figures.growth_descriptors} in one sender's life")


def main() -> int:
    """Print the figures as JSON and as a table; 1 where something was lost, stored twice, or grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    figures = soak(arguments.minutes, arguments.seed)
    found: dict[str, Any] = asdict(figures)
    print(json.dumps(found))
    _table(figures)
    assert figures.score
    held = figures.score.lost == figures.score.duplicated == 0 and figures.growth_mb <= 20
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
