"""A box with very many locations starts: does it stay alive, and say how far it is? python -m tests.scripts.large_box.

The agent's own process on a real Mosquitto, cameras of 64 locations each (1080p JPEG files), the usual votes, and a
service manager's watchdog that is listened to. Told are the seconds to the first event and until `/readyz` says that
it is ready, the longest pause between two signs of life (a watchdog of `--watchdog` seconds would fire beyond that),
what `/readyz` said meanwhile, and when the last location's state came.
"""

import argparse
import contextlib
import os
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from kardus.contract.topics import agents_filter
from kardus.mqtt.client import MqttClient
from kardus.mqtt.settings import BrokerSettings
from simulator.demo.broker import free_port
from tests.benchmarks.networks import LIGHT
from tests.benchmarks.rack import SITE, Bench
from tests.benchmarks.start import memory_mb, running_agent

A_CAMERA = 64
ASKED_EVERY_S = 0.25
MAX_S = 900.0


@dataclass
class SignsOfLife:
    """What a service manager hears."""

    pauses_s: list[float] = field(default_factory=list)
    _last_s: float | None = None

    @contextlib.contextmanager
    def heard(self, address: Path) -> Iterator[None]:
        """Listen there until the end of the `with` statement."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(address))
            manager.settimeout(0.1)
            over = threading.Event()
            listener = threading.Thread(target=self._listen, args=(manager, over))
            listener.start()
            try:
                yield
            finally:
                over.set()
                listener.join()

    def _listen(self, manager: socket.socket, over: threading.Event) -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                if b"WATCHDOG=1" in manager.recv(4096):
                    now_s = time.perf_counter()
                    self.pauses_s += [now_s - self._last_s] if self._last_s else []
                    self._last_s = now_s


@dataclass
class States:
    """Whose state has come."""

    locations: set[str] = field(default_factory=set)
    last_s: float = 0.0

    def take(self, topic: str, payload: bytes) -> None:
        """A message has come."""
        if payload and topic.endswith("/state"):
            self.locations.add(topic.split("/")[-2])
            self.last_s = time.perf_counter()


def ready(port: int) -> tuple[bool, str]:
    """What `/readyz` says."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            return True, answer.read().decode()
    except urllib.error.HTTPError as error:
        return False, error.read().decode()
    except OSError as error:
        return False, str(error)


@dataclass
class Readiness:
    """What `/readyz` says from the start on, and when it is ready (perf_counter; 0: never)."""

    port: int
    at_s: float = 0.0
    said: list[str] = field(default_factory=list)

    @contextlib.contextmanager
    def asked(self) -> Iterator[None]:
        """Until the end of the `with` statement."""
        over = threading.Event()
        asker = threading.Thread(target=self._ask, args=(over,))
        asker.start()
        try:
            yield
        finally:
            over.set()
            asker.join()

    def _ask(self, over: threading.Event) -> None:
        while not self.at_s and not over.wait(ASKED_EVERY_S):
            is_ready, text = ready(self.port)
            if is_ready:
                self.at_s = time.perf_counter()
            elif text not in self.said:
                self.said.append(text)


def _wait(is_over: Callable[[], bool]) -> None:
    ends_s = time.perf_counter() + MAX_S
    while not is_over() and time.perf_counter() < ends_s:
        time.sleep(ASKED_EVERY_S)


def measure(locations: int, watchdog_s: float, model: str, threads: int) -> list[str]:
    """Start such a box once; lines of a table."""
    signs, states, readiness = SignsOfLife(), States(), Readiness(free_port())
    bench = Bench(A_CAMERA, locations // A_CAMERA)
    with tempfile.TemporaryDirectory() as work:
        address = Path(work) / "notify"
        manager = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": str(int(watchdog_s * 1e6))}
        rules = f"[health]\nport = {readiness.port}\n"
        with patch.dict(os.environ, manager), signs.heard(address), readiness.asked():
            running = running_agent(Path(work) / "box", model, bench, rules=rules, interval_s=1.0, threads=threads)
            with running as (process, first_s):
                config = (Path(work) / "box" / "agent.toml").read_text(encoding="utf-8")
                broker = int(config.partition("[mqtt]")[2].partition("port = ")[2].split()[0])
                started_s = time.perf_counter() - first_s
                with MqttClient(BrokerSettings("127.0.0.1", broker), [(agents_filter(SITE), 1)], states.take):
                    _wait(lambda: bool(readiness.at_s) and len(states.locations) >= locations)
                is_alive, memory = process.poll() is None, memory_mb(process.pid)
    return [
        f"| first event | {first_s:.1f} s |",
        f"| `/readyz`: ready | {readiness.at_s - started_s:.1f} s |"
        if readiness.at_s
        else "| `/readyz` | never ready |",
        f"| {len(states.locations)} of {locations} locations have a state | {states.last_s - started_s:.1f} s |",
        f"| longest of {len(signs.pauses_s)} pauses between signs of life | {max(signs.pauses_s, default=0):.1f} s |",
        f"| it lives; resident memory, its peak | {is_alive}; {memory[0]:.0f} MB, {memory[1]:.0f} MB |",
        *(f"| `/readyz` said | {' '.join(text.split())} |" for text in readiness.said[:2] + readiness.said[-3:]),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--locations", type=int, default=2048)
    parser.add_argument("--watchdog", type=float, default=60.0)
    parser.add_argument("--model", default=LIGHT)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    print("| what | value |\n|---|---|", flush=True)
    print("\n".join(measure(asked.locations, asked.watchdog, asked.model, asked.threads)))


if __name__ == "__main__":
    main()
