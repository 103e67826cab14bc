"""A broker of the demo's own: Mosquitto where it is installed, else an embedded one in pure Python."""

import contextlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kardus.mqtt.settings import BrokerSettings
from kardus.support.errors import BrokerError, UsageError

_PORTS, _TRIES = (15000, 32000), 100
START_TIMEOUT_S = 60.0
"""Of a machine with much else to do: the embedded broker takes a second of processor time before it listens."""
KINDS = ("auto", "mosquitto", "embedded")


@dataclass(frozen=True)
class RunningBroker:
    """A broker on this machine alone."""

    name: str
    port: int
    mqtt_version: Literal["5", "3.1.1"]
    """For the agent's configuration."""

    @property
    def settings(self) -> BrokerSettings:
        """How it is spoken to: who had to find the version out would wait 5 s for amqtt, at every connection."""
        return BrokerSettings("127.0.0.1", self.port, version=self.mqtt_version)


@contextlib.contextmanager
def run_broker(kind: str) -> Iterator[RunningBroker]:
    """Run a broker on a free port of 127.0.0.1 for the length of a `with` statement.

    Raises:
        UsageError: the kind isn't known, or Mosquitto is asked for and isn't installed.
        BrokerError: it doesn't start.
    """
    if kind not in KINDS:
        raise UsageError(f"--broker {kind}: use one of {', '.join(KINDS)}")
    program = find_mosquitto()
    if kind == "mosquitto" and program is None:
        raise UsageError("--broker mosquitto: it isn't installed: apt-get install mosquitto, or use --broker embedded")
    port = free_port()
    if program is not None and kind != "embedded":
        with _mosquitto(program, port):
            yield RunningBroker("Mosquitto", port, "5")
    else:
        with _process([sys.executable, "-m", "simulator.demo.embedded", str(port)], port):
            yield RunningBroker("the embedded broker (amqtt, MQTT 3.1.1)", port, "3.1.1")


def find_mosquitto() -> str | None:
    """The path of Mosquitto's program; Debian puts it where a user's PATH doesn't look."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """A TCP port that nothing listens on, below those that outgoing connections take: it stays free for a restart.

    Raises:
        BrokerError: there is none.
    """
    for port in random.SystemRandom().sample(range(*_PORTS), _TRIES):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise BrokerError(f"no free port from {_PORTS[0]} to {_PORTS[1]}: end a program that takes them")


def wait_for_port(port: int, timeout_s: float = START_TIMEOUT_S) -> None:
    """Wait until something listens.

    Raises:
        BrokerError: nothing does in time.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return
        time.sleep(0.05)
    raise BrokerError(f"127.0.0.1:{port}: the broker did not start within {timeout_s:.0f} s")


@contextlib.contextmanager
def _mosquitto(program: str, port: int) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="kardus-broker-") as folder:
        settings = Path(folder) / "mosquitto.conf"
        settings.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\npersistence false\n",
            encoding="utf-8",
        )
        with _process([program, "-c", str(settings)], port):
            yield


@contextlib.contextmanager
def _process(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(  # noqa: S603 - programs named by ourselves, no shell
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for_port(port)
        yield
    finally:
        process.terminate()
        process.wait()
