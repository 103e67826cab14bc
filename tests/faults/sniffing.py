"""What leaves a place from which every way leads past a sniffer, and what is left in an empty home. Needs root."""

import os
import socket
import struct
import subprocess
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from tests.brokers import Mosquitto
from tests.faults.networks import Cable
from tests.patience import PATIENCE_S

IPV4, IPV6, TCP, UDP, ICMPV6 = 0x0800, 0x86DD, 6, 17, 58


def bare_environment(home: Path) -> dict[str, str]:
    """As a user's shell has it: with CI set, onnxruntime would be silent."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "LANG")}
    return kept | {"HOME": str(home)}


class Sniffer:
    """Keeps what comes over the near end of a cable, but for its address resolution."""

    def __init__(self, interface: str, allowed: Collection[int]) -> None:
        """Listen."""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.bind((interface, 0))
        self._socket.settimeout(0.2)
        self._allowed = frozenset(allowed)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self.strange: list[str] = []
        """Packets of no port that may be reached."""
        self.expected = 0
        """Packets of one that may."""

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                self._sort(self._socket.recv(2048))
            except TimeoutError:
                continue

    def _sort(self, packet: bytes) -> None:
        (kind,) = struct.unpack_from("!H", packet, 12)
        if kind == IPV4:
            header = (packet[14] & 15) * 4
            ports = struct.unpack_from("!HH", packet, 14 + header) if packet[23] in (TCP, UDP) else (0, 0)
            if packet[23] == TCP and not self._allowed.isdisjoint(ports):
                self.expected += 1
            else:
                self.strange.append(f"{packet[23]} to {socket.inet_ntoa(packet[30:34])}:{ports[1]}")
        elif kind == IPV6 and packet[20] != ICMPV6 and packet[20] != 0:  # neighbours and groups of the kernel's own
            self.strange.append(packet.hex())


@contextmanager
def _names_asked_at(cable: Cable) -> Iterator[None]:
    """Names are looked up at the near end of the cable, where the sniffer sits."""
    folder = Path("/etc/netns") / cable.namespace
    folder.mkdir(parents=True)
    (folder / "resolv.conf").write_text(f"nameserver {cable.here}\noptions timeout:1 attempts:1\n")
    try:
        yield
    finally:
        (folder / "resolv.conf").unlink()
        folder.rmdir()


@contextmanager
def watched(*allowed: int) -> Iterator[tuple[Cable, Sniffer]]:
    """A place from which every way leads past a sniffer."""
    with Cable() as cable, _names_asked_at(cable):
        cable.lead_everywhere()
        with Sniffer(cable.near, allowed) as sniffer:
            yield cable, sniffer


@contextmanager
def broker_at(folder: Path, address: str, port: int) -> Iterator[None]:
    """A real broker there."""
    broker = Mosquitto(folder / "mosquitto", f"listener {port} {address}\n")
    broker.start()
    try:
        yield
    finally:
        broker.kill()


def run_all(commands: Sequence[Sequence[str]], cable: Cable, home: Path, *, limit_s: float = PATIENCE_S) -> None:
    """Run commands there, each of which has to work in so many seconds, and to leave nothing in the home."""
    for words in commands:
        try:
            done = subprocess.run(
                [*cable.prefix, *words],
                cwd=home.parent,
                env=bare_environment(home),
                capture_output=True,
                text=True,
                check=False,
                timeout=limit_s,
            )
        except subprocess.TimeoutExpired as error:
            pytest.fail(f"{words} isn't done within {limit_s:g} s: {error.stdout!r} {error.stderr!r}")
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        assert not [path for path in home.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")], words
