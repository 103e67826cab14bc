"""Nothing leaves the box: no file in the home, no name looked up, no packet but the broker's."""

import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from export.build import build
from simulator.demo.broker import free_port
from simulator.demo.play import DEMO_BUNDLE, DEMO_KEY
from tests.agents import drawn_stock, still_frames, write_config
from tests.brokers import Mosquitto
from tests.conftest import BIN
from tests.faults.networks import Cable
from tests.patience import PATIENCE_S
from tests.train.making import labelled

IPV4, IPV6, TCP, UDP, ICMPV6 = 0x0800, 0x86DD, 6, 17, 58
RUN = """
import sys
from pathlib import Path
from edge_agent.agent import Agent
from edge_agent.config import load_config
path = Path(sys.argv[1])
Agent(load_config(path), path).run()
"""
"""The agent, to the end of its pictures."""


def _environment(home: Path) -> dict[str, str]:
    """As a user's shell has it: with CI set, onnxruntime would be silent."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "LANG")}
    return kept | {"HOME": str(home)}


def _config(folder: Path, host: str, port: int) -> Path:
    still_frames(folder / "frames", [drawn_stock(3)], each=4)
    config = write_config(folder, port, DEMO_BUNDLE, DEMO_KEY.read_text().strip(), 'type = "folder", path = "frames"')
    config.write_text(config.read_text().replace('host = "127.0.0.1"', f'host = "{host}"'))
    return config


@pytest.mark.parametrize("command", ["agent", "check", "verify", "charts"])  # build, convert: tests/export
def test_no_command_leaves_a_file_in_the_home(tmp_path: Path, command: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    words = {
        "agent": [sys.executable, "-c", RUN, str(_config(tmp_path, "127.0.0.1", free_port()))],
        "check": [str(BIN / "kardus-agent"), "check", str(_config(tmp_path, "127.0.0.1", free_port()))],
        "verify": [str(BIN / "kardus-export"), "verify", str(DEMO_BUNDLE)],
        "charts": [sys.executable, "-c", "import train.pyplot"],  # of `fit` and `evaluate`
    }[command]
    done = subprocess.run(words, cwd=tmp_path, env=_environment(home), capture_output=True, text=True, check=False)
    assert done.returncode in ((0, 1) if command == "check" else (0,)), done.stderr  # there is no broker to be found
    assert not [path for path in home.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]


WATCHED = """
import importlib, importlib.abc, os, sys

class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[2]:
            print(*(os.environ.get(variable) for variable in sys.argv[3:]), flush=True)
            os._exit(0)  # what the module imports then (torch among it) is of no concern

sys.meta_path.insert(0, Watch())
importlib.import_module(sys.argv[1])
"""
"""Says what the variables are when a library is to be imported, and ends there."""
OFF = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")
FIRST = {
    "export.quantise": "onnxruntime",
    "export.bench": "onnxruntime",
    "export.fp16": "onnxruntime",
    "kardus.inference.classifier": "onnxruntime",
    "edge_agent.agent": "onnxruntime",
    "train.networks.carton": "torch",
    "train.fitting.fit": "torch",
}
"""Modules that may be a program's first, and the library that they come to."""


@pytest.mark.parametrize("module", FIRST)
def test_telemetry_is_off_before_a_library_is_imported_whatever_module_comes_first(tmp_path: Path, module: str) -> None:
    words = [sys.executable, "-c", WATCHED, module, FIRST[module], *OFF]
    done = subprocess.run(words, env=_environment(tmp_path), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1", "1"]


def test_what_the_environment_says_of_telemetry_holds(tmp_path: Path) -> None:
    said = "import os, kardus; print(os.environ['DO_NOT_TRACK'])"
    environment = _environment(tmp_path) | {"DO_NOT_TRACK": "0"}
    done = subprocess.run([sys.executable, "-c", said], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0"]


LEFT = """
import sys
from paho.mqtt import publish
topic = "kardus/v1/s1/agents/gone/status"
publish.single(topic, "{}", qos=1, retain=True, hostname=sys.argv[1], port=int(sys.argv[2]))
"""
"""An agent that is no more has left something at the broker."""


class Sniffer:
    """Keeps what comes over the near end of a cable, but for its address resolution."""

    def __init__(self, interface: str, broker_port: int) -> None:
        """Listen."""
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.bind((interface, 0))
        self._socket.settimeout(0.2)
        self._broker_port = broker_port
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self.strange: list[str] = []
        """Packets that are no broker's."""
        self.brokers = 0
        """Packets that are."""

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
            if packet[23] == TCP and self._broker_port in ports:
                self.brokers += 1
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


@pytest.mark.root
def test_the_agent_talks_to_its_broker_and_to_nobody_else(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    home.mkdir()
    with _watched(port) as (cable, sniffer), _broker(tmp_path, cable.here, port):
        words = [*cable.prefix, sys.executable, "-c", RUN, str(_config(tmp_path, cable.here, port))]
        environment = _environment(home)
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        asking = "import socket; socket.socket(2, 2).sendto(b'x', ('192.0.2.1', 9))"
        seen_before = list(sniffer.strange)
        subprocess.run([*cable.prefix, sys.executable, "-c", asking], env=environment, check=True)
        _wait_until_seen(sniffer, len(seen_before) + 1)
    assert done.returncode == 0, done.stderr
    assert sniffer.brokers > 10
    assert seen_before == []
    assert sniffer.strange == ["17 to 192.0.2.1:9"], "what does leave is seen"


@pytest.mark.slow
@pytest.mark.root
def test_training_export_and_verification_ask_for_no_name_and_leave_no_file_in_the_home(tmp_path: Path) -> None:
    """With the network and the weights that they begin with by default."""
    home, photos = tmp_path / "home", labelled(tmp_path / "photos", val=1)
    home.mkdir()
    kardus = {name: [str(BIN / f"kardus-{name}")] for name in ("train", "export")}
    commands: list[list[str]] = [
        [*kardus["train"], "fit", str(photos), "--out", "run", "--epochs", "1", "--size", "64", "--refit", "0"],
        [*kardus["export"], "build", "run", "--out", "made.bundle"],
        [*kardus["export"], "verify", "made.bundle"],
        [*kardus["train"], "evaluate", "made.bundle", str(photos)],
    ]
    with _watched() as (cable, sniffer):
        _run_all(commands, cable, home)
        assert sniffer.strange == []


@pytest.mark.slow
@pytest.mark.root
def test_work_on_a_bundle_asks_for_no_name_and_leaves_no_file_in_the_home(tmp_path: Path, run_folder: Path) -> None:
    home, photos = tmp_path / "home", labelled(tmp_path / "photos", val=1)
    home.mkdir()
    build(run_folder, tmp_path / "portable.bundle", form="portable")
    demo, export = str(DEMO_BUNDLE), str(BIN / "kardus-export")
    photo = str(next(photos.rglob("*.png")))
    commands = [
        [export, "enroll", demo, photo, "--name", "new", "--out", "more.bundle"],
        [export, "retire", "more.bundle", "new", "--out", "less.bundle"],
        [export, "diff", demo, "less.bundle", "--data", str(photos)],
        [export, "bench", demo, "--seconds", "0.1", "--threads", "1"],
        [export, "inspect", "less.bundle"],
        [export, "convert", "portable.bundle", "--to", "openvino", "--out", "converted"],
    ]
    with _watched() as (cable, sniffer):
        _run_all(commands, cable, home)
        assert sniffer.strange == []


@pytest.mark.slow
@pytest.mark.root
def test_the_wms_side_s_commands_and_check_talk_to_the_broker_alone_and_leave_no_file_in_the_home(
    tmp_path: Path,
) -> None:
    home, port, wms = tmp_path / "home", free_port(), str(BIN / "kardus-wms")
    home.mkdir()
    (tmp_path / "stock.csv").write_text("location,sku\nA-01-1-01,4711\n")
    (tmp_path / "gs1.toml").write_text('gln = "4012345000009"\n')
    stored = ["--database", "events.sqlite"]
    with _watched(port) as (cable, sniffer), _broker(tmp_path, cable.here, port):
        reached = ["--site", "s1", "--host", cable.here, "--port", str(port)]
        commands = [
            [wms, "database", "migrate", *stored],
            [wms, "receive", *stored, *reached, "--seconds", "1"],
            [wms, "expect", "stock.csv", *reached],
            [wms, "watch", *reached, "--seconds", "1"],
            [sys.executable, "-c", LEFT, cable.here, str(port)],
            [wms, "forget", "gone", *reached],
            [wms, "report", *stored, "--html", "report.html", "--xlsx", "report.xlsx"],
            [wms, "export", *stored, "--mapping", "gs1.toml", "--epcis", "events.json"],
            [wms, "users", "list", *stored],
            [wms, "tokens", "make", *stored, "--name", "n", "--scope", "read"],
            [wms, "database", "check", *stored],
            [wms, "authority", "init", "authority", "--site", "s1"],
            [wms, "authority", "issue", "authority", "device", "box"],
            [str(BIN / "kardus-agent"), "check", str(_config(tmp_path, cable.here, port))],
        ]
        _run_all(commands, cable, home)
        assert sniffer.strange == []
    assert sniffer.brokers > 10


@contextmanager
def _watched(broker_port: int = 0) -> Iterator[tuple[Cable, Sniffer]]:
    """A place from which every way leads past a sniffer."""
    with Cable() as cable, _names_asked_at(cable):
        cable.lead_everywhere()
        with Sniffer(cable.near, broker_port) as sniffer:
            yield cable, sniffer


@contextmanager
def _broker(folder: Path, address: str, port: int) -> Iterator[None]:
    broker = Mosquitto(folder / "mosquitto", f"listener {port} {address}\n")
    broker.start()
    try:
        yield
    finally:
        broker.kill()


def _run_all(commands: Sequence[Sequence[str]], cable: Cable, home: Path) -> None:
    """Run commands there, each of which has to work, and to leave nothing in the home."""
    for words in commands:
        done = subprocess.run(
            [*cable.prefix, *words],
            cwd=home.parent,
            env=_environment(home),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (words, done.stderr)
        assert not [path for path in home.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")], words


BROWSE = """
import threading
from simulator.demo.browser import program, run_browser
with run_browser(program()) as browser:
    browser.picture("data:text/html,a page", {}, 120, 80)
    threading.Event().wait(3)  # it asks for its maker's servers while it starts, and a little later
"""


@pytest.mark.root
def test_the_demo_s_browser_asks_for_no_name(tmp_path: Path) -> None:
    with _watched() as (cable, sniffer):
        words = [*cable.prefix, sys.executable, "-c", BROWSE]
        subprocess.run(words, env=_environment(tmp_path), capture_output=True, check=True)
        assert sniffer.strange == []


def _wait_until_seen(sniffer: Sniffer, count: int) -> None:
    waiter = threading.Event()
    for _ in range(int(PATIENCE_S / 0.05)):
        if len(sniffer.strange) >= count:
            return
        waiter.wait(0.05)
